"""The simplest detector, without any learning: how far a profile is from the average one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def standardised_norm(
    x_ng: NDArray[np.floating], train_mg: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Root mean square of the row, each gene standardised on the training samples, (n,).

    Genes that are constant in training are left out.
    """
    sd_g = train_mg.std(0, dtype=np.float64)
    varies_g = sd_g > 1e-8 * max(1.0, float(np.abs(train_mg).max(initial=0)))
    if not varies_g.any():
        return np.zeros(len(x_ng))
    mean_g = train_mg.mean(0, dtype=np.float64)
    z_ng = (x_ng[:, varies_g] - mean_g[varies_g]) / sd_g[varies_g]
    return np.asarray(np.sqrt(np.square(z_ng).mean(1)))
