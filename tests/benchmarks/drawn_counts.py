"""A cohort drawn with the depths and the noise of a real experiment, so that nothing in it is
aberrant and everything is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tybalt_like.aberrant.counts import checked_counts, expressed
from tybalt_like.aberrant.samples import Samples
from tybalt_like.aberrant.statistics import Floats
from tybalt_like.pp.transforms.median_of_ratios import MedianOfRatios

if TYPE_CHECKING:
    from anndata import AnnData

SAMPLES, FACTORS = 100, 8
FACTOR_SD, COVARIATE_SD = 0.12, 0.2
"""Standard deviations of their effects on log counts, over genes."""
LIBRARY_SD = 0.35
SCATTER = 0.7
"""Of log dispersions around their trend; what is left of the samples' own noise is taken off."""


def drawn_like(adata: AnnData, groups: list[str], rng: np.random.Generator) -> Samples:
    """Negative-binomial counts of `SAMPLES` samples, all genes that the experiment expresses.

    Means are those of the experiment. The variance around the means of its `groups` gives a trend
    of the dispersion, ``a + b / mean``, which is what is left beside the hidden factors. Sex (half
    of the samples) and a batch (a third) are known and change genes; factors are hidden.
    """
    x_nv = checked_counts(adata)
    x_ng = x_nv[:, expressed(x_nv, min_count=10)]
    scaled_ng = x_ng / MedianOfRatios.fit([x_ng]).size_factors(x_ng)[:, None]
    mean_g = scaled_ng.mean(axis=0)
    a, b = _trend(scaled_ng, _design(adata, groups), mean_g)
    g = len(mean_g)
    theta_g = np.exp(SCATTER * rng.standard_normal(g)) / (a + b / mean_g)
    c_nc = np.column_stack([np.arange(SAMPLES) % 2 < 1, rng.random(SAMPLES) < 1 / 3]).astype(float)
    c_nc -= c_nc.mean(axis=0)
    log_ng = np.log(mean_g) + c_nc @ rng.normal(0, COVARIATE_SD, (2, g))
    log_ng += rng.normal(size=(SAMPLES, FACTORS)) @ rng.normal(0, FACTOR_SD, (FACTORS, g))
    mean_ng = np.exp(log_ng) * rng.lognormal(0, LIBRARY_SD, (SAMPLES, 1))
    drawn_ng = rng.negative_binomial(theta_g, theta_g / (theta_g + mean_ng)).astype(float)
    drawn_ng = drawn_ng[:, expressed(drawn_ng, min_count=10)]
    return Samples(drawn_ng, MedianOfRatios.fit([drawn_ng]).size_factors(drawn_ng), c_nc)


def _design(adata: AnnData, groups: list[str]) -> Floats:
    columns = [
        (adata.obs[group] == value).to_numpy(float)
        for group in groups
        for value in adata.obs[group].unique()
    ]
    return np.column_stack([np.ones(adata.n_obs), *columns])


def _trend(x_ng: Floats, design_nc: Floats, mean_g: Floats) -> tuple[float, float]:
    """``variance / mean^2 = a + b / mean``: a line through medians in classes of the mean."""
    residual_ng = x_ng - design_nc @ (np.linalg.pinv(design_nc) @ x_ng)
    df = len(x_ng) - np.linalg.matrix_rank(design_nc)
    relative_g = (residual_ng**2).sum(axis=0) / df / mean_g**2
    classes = np.array_split(np.argsort(mean_g), 20)
    middle = np.array([[1 / np.median(mean_g[c]), np.median(relative_g[c])] for c in classes])
    # A median of chi-squared over its degrees of freedom lies below 1.
    middle[:, 1] /= (1 - 2 / (9 * df)) ** 3
    slope, level = np.polyfit(middle[:, 0], middle[:, 1], 1)
    # The Poisson part, 1 / mean, is drawn anyway.
    return max(float(level), 1e-3), max(float(slope) - 1, 0.0)
