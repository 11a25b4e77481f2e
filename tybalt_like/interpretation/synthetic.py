"""Codes and noise of synthetic samples: what is drawn, and around what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DISPERSION = (1e-2, 1e6)
"""Range of the negative binomial's dispersion, in which 1e6 is Poisson noise."""


SHARE = 0.2
"""Of the variance of drawn codes that comes from the training samples they are drawn around. With
more, members of small cohorts can be told (with Silverman's rule, .6 to .75 here, nearly always);
with less, codes are normally distributed whatever those of training samples are."""


def kernel_draws(z_nk: Array, m: int, rng: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
    """Codes drawn from a smooth density around given ones, (m, k), and the row each is around.

    A row at random, drawn towards the mean, plus a normal kernel with the covariance of the rows,
    so that mean and covariance stay what they are (the smoothed bootstrap with shrinkage; Silverman
    & Young, Biometrika 74:469, 1987) and the row decides `SHARE` of the variance.
    """
    n = len(z_nk)
    mean_k = z_nk.mean(0)
    centred_nk = z_nk - mean_k
    parent_m = rng.integers(n, size=m)
    # Normal with the covariance of the rows, however few they are.
    kernel_mk = rng.standard_normal((m, n)) @ centred_nk / np.sqrt(n)
    drawn_mk = mean_k + np.sqrt(SHARE) * centred_nk[parent_m] + np.sqrt(1 - SHARE) * kernel_mk
    return drawn_mk, parent_m


def with_residuals(mean_mg: Array, residual_ng: Array, rng: np.random.Generator) -> Array:
    """Profiles with noise: for every gene, a residual of a training sample at random."""
    row_mg = rng.integers(len(residual_ng), size=mean_mg.shape)
    return np.asarray(mean_mg + np.take_along_axis(residual_ng, row_mg, axis=0))


def dispersion(count_ng: Array, mean_ng: Array) -> Array:
    """Dispersion of every gene by the method of moments, (g,): ``variance = mean + mean^2 /
    dispersion``, over samples with different means."""
    excess_g = ((count_ng - mean_ng) ** 2 - mean_ng).sum(0)
    square_g = (mean_ng**2).sum(0)
    least_g = square_g / DISPERSION[1] + 1e-12
    return np.asarray(np.clip(square_g / np.maximum(excess_g, least_g), *DISPERSION))


def counts(mean_mg: Array, dispersion_g: Array, rng: np.random.Generator) -> Array:
    """Negative binomial counts."""
    rate_mg = rng.gamma(dispersion_g, np.maximum(mean_mg, 0) / dispersion_g)
    return rng.poisson(rate_mg).astype(np.float64)


def normal_samples(x_ng: Array, m: int, k: int, rng: np.random.Generator) -> Array:
    """The simple rival: a multivariate normal distribution in k principal components, and
    residuals of the genes as noise, (m, g)."""
    mean_g = x_ng.mean(0)
    k = min(k, len(x_ng) - 1)
    left_nr, value_r, axes_rg = np.linalg.svd(x_ng - mean_g, full_matrices=False)
    common_ng = (left_nr[:, :k] * value_r[:k]) @ axes_rg[:k]
    drawn_mg = rng.standard_normal((m, len(x_ng))) @ common_ng / np.sqrt(len(x_ng))
    return with_residuals(mean_g + drawn_mg, x_ng - mean_g - common_ng, rng)
