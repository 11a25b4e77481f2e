"""Many p-values: adjusted, and whether they are as small as they should be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CHI2_MEDIAN = 0.45493642311957283
"""Median of the chi-squared distribution with one degree of freedom."""


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

    1 if p-values are uniform, larger if they are too small. It says nothing about the tail.
    """
    from scipy.special import ndtri

    return float(ndtri(np.nanmedian(p_ng) / 2) ** 2 / CHI2_MEDIAN)


def tail_inflation(p_ng: Floats, level: float) -> float:
    """Share of p-values of at most `level`, over `level`; NaN do not count."""
    return float((p_ng <= level).sum() / (~np.isnan(p_ng)).sum() / level)
