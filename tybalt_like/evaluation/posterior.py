"""What the single latent features carry."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

ACTIVE = 0.01
"""A unit is active if its posterior mean varies by more than this (Burda et al., ICLR 2016)."""


def latent_features(mean_nk: ArrayLike, logvar_nk: ArrayLike | None = None) -> pd.DataFrame:
    """One row per latent feature.

    Parameters
    ----------
    mean_nk
        Latent coordinates; of variational models the means of q(z|x).
    logvar_nk
        Log-variances of q(z|x), for models that have a posterior.

    Returns
    -------
    pandas.DataFrame
        ``mean`` and ``variance`` over the samples; with a posterior also ``kl``,
        KL(q(z|x) || N(0, 1)) in nats averaged over the samples, and ``active``.
    """
    mean_nk = np.asarray(mean_nk, dtype=np.float64)
    table = pd.DataFrame({"mean": mean_nk.mean(0), "variance": mean_nk.var(0)})
    if logvar_nk is None:
        return table
    logvar_nk = np.asarray(logvar_nk, dtype=np.float64)
    kl_nk = 0.5 * (np.square(mean_nk) + np.exp(logvar_nk) - 1 - logvar_nk)
    return table.assign(kl=kl_nk.mean(0), active=table["variance"] > ACTIVE)
