"""Which components stand out of noise: the optimal hard threshold for singular values."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tybalt_like.aberrant.statistics import Floats


@lru_cache
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


def n_above_noise(s_m: Floats, shape: tuple[int, int], *, n_known: int = 0) -> int:
    """Number of singular values of a matrix above the optimal hard threshold.

    Parameters
    ----------
    s_m
        Singular values, the largest first, of columns with the mean 0 and the same level of noise.
    shape
        Of the matrix.
    n_known
        Dimensions that were taken out of the rows before, the mean included: as many singular
        values are 0.
    """
    short, long = sorted((shape[0] - n_known, shape[1]))
    if short < 2:
        return 0
    s_m = s_m[:short]
    return int((s_m > optimal_threshold(short / long) * np.median(s_m)).sum())
