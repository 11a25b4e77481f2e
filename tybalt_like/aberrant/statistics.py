"""Counts against what was expected: p-values, and how many of them to believe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CHI2_MEDIAN = 0.45493642311957283
"""Median of the chi-squared distribution with one degree of freedom."""


def p_values(x_ng: Floats, mean_ng: Floats, dispersion_g: Floats, *, mid: bool = False) -> Floats:
    """Two-sided p-values of counts under NB(mean, variance = mean + mean^2 / dispersion), (n, g).

    ``p = 2 min(1/2, P(X <= x), P(X >= x))``, as in OUTRIDER (Brechtmann et al., AJHG 2018). As
    both tails hold x itself, p is on the safe side, the more so the fewer counts a gene has.

    Parameters
    ----------
    x_ng
        Whole counts; NaN gives NaN.
    mid
        Give only half of P(X = x) to each tail: the median of these mid-p-values is 1/2 where the
        model holds, which makes them fit to check it.
    """
    from scipy.special import betainc

    success_ng = dispersion_g / (dispersion_g + mean_ng)
    at_most_ng = betainc(dispersion_g, x_ng + 1, success_ng)
    at_least_ng = np.where(
        x_ng == 0, 1.0, betainc(np.maximum(x_ng, 1), dispersion_g, 1 - success_ng)
    )
    if mid:
        exactly_ng = at_most_ng + at_least_ng - 1
        at_most_ng, at_least_ng = at_most_ng - exactly_ng / 2, at_least_ng - exactly_ng / 2
    p_ng = 2 * np.minimum(0.5, np.minimum(at_most_ng, at_least_ng))
    return np.where(np.isnan(x_ng), np.nan, p_ng)


def adjusted(p_ng: Floats) -> Floats:
    """p-values adjusted within each sample for all its genes; NaN stay NaN and do not count.

    Benjamini & Yekutieli (Ann Stat 29:1165, 2001): calling ``adjusted <= a`` keeps the expected
    share of false calls in the sample below a, however the genes depend on one another.
    """
    from scipy.stats import false_discovery_control

    padj_ng = np.full_like(p_ng, np.nan)
    for p_g, padj_g in zip(p_ng, padj_ng, strict=True):
        tested_g = ~np.isnan(p_g)
        padj_g[tested_g] = false_discovery_control(p_g[tested_g], method="by")
    return padj_ng


def inflation(p_ng: Floats) -> float:
    """Genomic inflation factor lambda: median chi-squared of the p-values over that expected.

    1 if p-values are uniform, larger if they are too small. Take mid-p-values of counts.
    """
    from scipy.special import ndtri

    return float(ndtri(np.nanmedian(p_ng) / 2) ** 2 / CHI2_MEDIAN)
