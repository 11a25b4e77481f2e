"""Alarms: posterior collapse, and reconstructions that are the average only."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

COLLAPSED = 0.05
"""Share of active units up to which the posterior has collapsed."""
CONSTANT = 0.05
"""Share of a gene's standard deviation up to which its reconstructions are all the same."""
SAME_RANKING = 0.99
"""Rank correlation with the plain norm from which a score says nothing new."""


def posterior_collapse(features: pd.DataFrame) -> list[str]:
    """An alarm if (nearly) no unit of a variational model is active; see `latent_features`."""
    if "active" not in features:
        return []
    n_active, k = int(features["active"].sum()), len(features)
    if n_active > COLLAPSED * k:
        return []
    return [
        f"Posterior collapse: {n_active} of {k} latent features vary between held-out samples. "
        "The KL term has switched the others off; lower its weight or warm it up more slowly."
    ]


def constant_reconstruction(
    x_ng: ArrayLike, y_ng: ArrayLike, *, norm_n: NDArray[np.float64]
) -> list[str]:
    """Alarms if the reconstruction ignores the sample, or its error ranks like the plain norm.

    Parameters
    ----------
    x_ng, y_ng
        Held-out profiles and reconstructions.
    norm_n
        Norm of the standardised rows (`anomaly.standardised_norm`).
    """
    from scipy.stats import spearmanr

    x, y = (np.asarray(values, dtype=np.float64) for values in (x_ng, y_ng))
    alarms = []
    if y.std(0).mean() < CONSTANT * x.std(0).mean():
        alarms.append(
            "The model reconstructs almost the same profile for every sample: it has learned the "
            "average only, and its reconstruction error is the distance from that average."
        )
    error_n = np.square(x - y).mean(1)
    if np.ptp(error_n) > 0 and np.ptp(norm_n) > 0:
        same = float(spearmanr(error_n, norm_n).statistic)
        if same > SAME_RANKING:
            alarms.append(
                "The reconstruction error ranks held-out samples as the norm of the standardised "
                f"row does (rank correlation {same:.3f}): as an anomaly score it adds nothing to "
                "the distance from the average profile."
            )
    return alarms
