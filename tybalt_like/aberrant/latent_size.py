"""How many confounders there are: components that stand out of noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tybalt_like.aberrant.autoencoder import Samples, dispersion, expect, fit_model
from tybalt_like.aberrant.injection import inject
from tybalt_like.aberrant.statistics import Floats, p_values

SIZES = 8
"""Latent sizes that are tried with injected outliers."""


def optimal_threshold(beta: float) -> float:
    """omega(beta): noise singular values reach, in units of their median, what is worth keeping.

    For a matrix with the ratio beta <= 1 of its sides and noise of an unknown level, keeping the
    singular values above ``omega x median`` loses least (Gavish & Donoho, IEEE Trans Inf Theory
    60:5040, 2014): ``omega = lambda*(beta) / sqrt(median of the Marchenko-Pastur law)``.
    """
    from scipy.integrate import quad
    from scipy.optimize import brentq

    low, high = (1 - beta**0.5) ** 2, (1 + beta**0.5) ** 2

    def density(x: float) -> float:
        return float(np.sqrt(max((high - x) * (x - low), 0)) / (2 * np.pi * beta * x))

    def above_half(x: float) -> float:
        return float(quad(density, low, x)[0] - 0.5)

    median = brentq(above_half, low + 1e-9, high)
    root = (beta + 1) + np.sqrt(beta**2 + 14 * beta + 1)
    return float(np.sqrt(2 * (beta + 1) + 8 * beta / root) / np.sqrt(median))


def components(x_ng: Floats, *, n_known: int = 0) -> int:
    """Number of singular values of a matrix above the optimal hard threshold.

    Parameters
    ----------
    x_ng
        Columns with the mean 0 and the same level of noise.
    n_known
        Dimensions that were taken out of the rows before, the mean included: as many singular
        values are 0.
    """
    n, g = x_ng.shape
    short, long = sorted((n - n_known, g))
    if short < 2:
        return 0
    singular = np.linalg.svd(x_ng, compute_uv=False)[:short]
    return int((singular > optimal_threshold(short / long) * np.median(singular)).sum())


def standardised(samples: Samples) -> Floats:
    """Log counts per size factor without covariates, genes with mean 0 and variance 1."""
    log_ng = np.log((samples.x_ng + 1) / samples.size_n[:, None])
    log_ng -= log_ng.mean(axis=0)
    log_ng -= samples.c_nc @ (np.linalg.pinv(samples.c_nc) @ log_ng)
    sd_g = log_ng.std(axis=0)
    return np.asarray(log_ng / np.where(sd_g > 0, sd_g, 1))


def by_threshold(samples: Samples) -> int:
    """Components above the optimal hard threshold, at least 1."""
    n_known = 1 + int(np.linalg.matrix_rank(samples.c_nc))
    return max(1, components(standardised(samples), n_known=n_known))


def by_injection(samples: Samples, *, seed: int, say: Callable[[str], None]) -> int:
    """The size at which injected outliers are found best, judged by AUPRC.

    One count in a hundred is shifted by about 3 standard deviations. Sizes from 2 to a third of
    the samples are tried, evenly spaced on a logarithmic scale.
    """
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(seed)
    x_ng, truth_ng = inject(samples.x_ng, samples.size_n, frequency=1e-2, z=3, varied=True, rng=rng)
    changed, found = samples._replace(x_ng=x_ng), {}
    for k in np.unique(np.geomspace(2, max(2, len(x_ng) // 3), SIZES).round().astype(int)):
        model = fit_model(changed, latent_dim=int(k), seed=seed)
        mean_ng = expect(model, changed).mean_ng
        p_ng = p_values(x_ng, mean_ng, dispersion(x_ng, mean_ng))
        found[int(k)] = float(average_precision_score(truth_ng.ravel(), -p_ng.ravel()))
        say(f"latent size {k}: AUPRC of injected outliers {found[int(k)]:.3f}")
    return max(found, key=lambda k: found[k])
