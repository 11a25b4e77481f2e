"""How well profiles are given back: gene by gene, sample by sample, and altogether."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tybalt_like.evaluation.estimate import Array, Estimate

MEASURES = ("r2", "pearson", "spearman")
"""Measures of agreement, columns of `per_gene` and `per_sample`."""


def per_gene(x_ng: ArrayLike, y_ng: ArrayLike, *, mean_g: ArrayLike) -> pd.DataFrame:
    """Agreement of profiles and their reconstructions over the samples, one row per gene.

    Parameters
    ----------
    x_ng, y_ng
        Profiles and reconstructions.
    mean_g
        Mean of every gene over the training samples: what is known without any encoding.

    Returns
    -------
    pandas.DataFrame
        ``mse``; ``r2`` = 1 - squared error / squared distance from `mean_g`, 0 for a model that
        knows the average only and below 0 for a worse one; ``pearson`` and ``spearman``. Missing
        where a correlation of constants, or a share of nothing, would be asked for.
    """
    return _agreement(*map(_float64, (x_ng, y_ng, mean_g)), axis=0)


def per_sample(x_ng: ArrayLike, y_ng: ArrayLike, *, mean_g: ArrayLike) -> pd.DataFrame:
    """The same over the genes, one row per sample.

    Profiles of different samples resemble each other: the mean profile, too, reaches a high
    correlation with each of them, but an R2 of 0.
    """
    return _agreement(*map(_float64, (x_ng, y_ng, mean_g)), axis=1)


def overall(x_ng: ArrayLike, y_ng: ArrayLike, *, mean_g: ArrayLike) -> dict[str, Estimate]:
    """``mse`` and ``r2`` over all samples and genes at once."""
    x, y, mean = map(_float64, (x_ng, y_ng, mean_g))
    error_n, spread_n = np.square(x - y).sum(1), np.square(x - mean).sum(1)
    measured = {"mse": Estimate.mean(error_n / x.shape[1])}
    total = spread_n.sum()
    if total > 0:
        missed = error_n.sum() / total
        measured["r2"] = Estimate(1 - missed, (missed * spread_n - error_n) / total)
    return measured


def quartiles(table: pd.DataFrame, *, of: str) -> dict[str, Estimate]:
    """Median and quartiles of each measure: ``<of>_r2``, ``<of>_r2_q25``, ``<of>_r2_q75``, ..."""
    measured = {}
    for measure in MEASURES:
        known = table[measure].dropna()
        for suffix, share in (("", 0.5), ("_q25", 0.25), ("_q75", 0.75)):
            if len(known):
                measured[f"{of}_{measure}{suffix}"] = Estimate(float(known.quantile(share)))
    return measured


def _agreement(x_ng: Array, y_ng: Array, mean_g: Array, *, axis: int) -> pd.DataFrame:
    from scipy.stats import rankdata

    error, spread = (np.square(x_ng - other).sum(axis) for other in (y_ng, mean_g))
    ranks = rankdata(x_ng, axis=axis), rankdata(y_ng, axis=axis)
    return pd.DataFrame(
        {
            "mse": error / x_ng.shape[axis],
            "r2": 1 - _ratio(error, spread, spread > 0),
            "pearson": _correlation(x_ng, y_ng, axis),
            "spearman": _correlation(*ranks, axis),
        }
    )


def _correlation(a_ng: Array, b_ng: Array, axis: int) -> Array:
    centred = [v - v.mean(axis, keepdims=True) for v in (a_ng, b_ng)]
    size_a, size_b = (np.linalg.norm(v, axis=axis) for v in centred)
    # Rounding makes constants vary a little; single precision holds seven digits.
    real_a, real_b = (
        size > 1e-6 * np.linalg.norm(v, axis=axis)
        for size, v in zip((size_a, size_b), (a_ng, b_ng), strict=True)
    )
    return _ratio((centred[0] * centred[1]).sum(axis), size_a * size_b, real_a & real_b)


def _ratio(above: Array, below: Array, known: NDArray[np.bool_]) -> Array:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=known)


def _float64(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)
