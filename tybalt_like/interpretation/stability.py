"""Whether a feature is found again when a model is trained again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tybalt_like.interpretation.axes import Array

SAME = 0.7
"""Correlation of gene effects from which two features can be the same: either then explains half
of the variance of the other."""
DRAWS, LEVEL = 200, 0.95
"""Random turns of each other model, and the share of them that a match must be better than."""


def similarity(effects_jg: ArrayLike, others_lg: ArrayLike) -> Array:
    """Correlation of the gene effects of any two features, (j, l); 0 where one has none."""
    one_jg, other_lg = _centred(effects_jg), _centred(others_lg)
    size_jl = np.outer(np.linalg.norm(one_jg, axis=1), np.linalg.norm(other_lg, axis=1))
    product_jl = one_jg @ other_lg.T
    return np.divide(product_jl, size_jl, out=np.zeros_like(product_jl), where=size_jl > 0)


def matched(
    effects_jg: ArrayLike, others_lg: ArrayLike
) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], Array]:
    """For each feature the one of another model that it is paired with, -1 if there is none, and
    their correlation, (j,).

    Each is paired once, so that the sum of absolute correlations is largest (Kuhn, Naval Res Logist
    Q 2:83, 1955): signs of features are arbitrary.
    """
    from scipy.optimize import linear_sum_assignment

    similarity_jl = similarity(effects_jg, others_lg)
    row, column = linear_sum_assignment(-np.abs(similarity_jl))
    partner_j, found_j = np.full(len(similarity_jl), -1), np.zeros(len(similarity_jl))
    partner_j[row], found_j[row] = column, similarity_jl[row, column]
    return partner_j, found_j


def stability(
    effects_kg: ArrayLike,
    others: Sequence[ArrayLike],
    *,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """In what share of further trainings each feature is found.

    Features are paired one to one by their gene effects (`matched`). A pair is the same feature if
    it is more alike than `SAME`, and more than could be said of arbitrary axes: the other model's
    features, turned at random, span the same space, and in 95 % of turns the most similar of them
    is less alike. Where few directions hold most of what varies, anything is alike: there the
    second condition is the stricter one.

    Trainings that differ by the seed alone say nothing of models without a random part, which
    always find the same: let samples differ, too.

    Parameters
    ----------
    effects_kg
        Of a model (`gene_effects`), in units in which a gene that hardly varies changes little,
        such as log2: where each gene has unit variance, the noise of all genes outweighs the few
        that a feature may rest on.
    others
        The same of further trainings, on the same genes, with any number of features.
    names
        Of the features: the index.
    seed
        Of the random turns.

    Returns
    -------
    pandas.DataFrame
        For each feature ``found``, the share of `others` with the same one; ``similarity``, the
        median absolute correlation with its partners; ``threshold``, the median of what it had to
        be. NaN without `others`.
    """
    rng = np.random.default_rng(seed)
    effects = np.asarray(effects_kg, dtype=np.float64)
    index = pd.Index(names or np.arange(1, len(effects) + 1), name="feature")
    if not others:
        return pd.DataFrame(np.nan, index=index, columns=["found", "similarity", "threshold"])
    similar_ok = np.array([np.abs(matched(effects, other)[1]) for other in others])
    threshold_ok = np.array([np.maximum(SAME, _arbitrary(effects, other, rng)) for other in others])
    return pd.DataFrame(
        {
            "found": (similar_ok > threshold_ok).mean(0),
            "similarity": np.median(similar_ok, axis=0),
            "threshold": np.median(threshold_ok, axis=0),
        },
        index=index,
    )


def redundancy(effects_kg: ArrayLike, *, names: Sequence[str] | None = None) -> pd.DataFrame:
    """For each feature of a model the ``nearest`` other one by its gene effects, and their
    ``similarity``, with its sign."""
    index = pd.Index(names or np.arange(1, len(np.asarray(effects_kg)) + 1), name="feature")
    similarity_kk = similarity(effects_kg, effects_kg)
    np.fill_diagonal(similarity_kk, 0)
    if len(index) < 2:
        return pd.DataFrame({"nearest": None, "similarity": np.nan}, index=index)
    nearest_k = np.abs(similarity_kk).argmax(1)
    return pd.DataFrame(
        {
            "nearest": index[nearest_k],
            "similarity": similarity_kk[np.arange(len(index)), nearest_k],
        },
        index=index,
    )


def _arbitrary(effects_kg: Array, others_lg: ArrayLike, rng: np.random.Generator) -> Array:
    """Similarity with the most similar of axes turned at random, which is below it in a share
    `LEVEL` of turns, (k,)."""
    one_kg, other_lg = _centred(effects_kg), _centred(others_lg)
    cross_kl, gram_ll = one_kg @ other_lg.T, other_lg @ other_lg.T
    size_k1 = np.maximum(np.linalg.norm(one_kg, axis=1, keepdims=True), 1e-300)
    best_dk = np.empty((DRAWS, len(one_kg)))
    for draw in range(DRAWS):
        turn_ll = np.linalg.qr(rng.normal(size=gram_ll.shape))[0]
        length_l = np.sqrt(np.maximum(((gram_ll @ turn_ll) * turn_ll).sum(0), 1e-300))
        best_dk[draw] = (np.abs(cross_kl @ turn_ll) / length_l / size_k1).max(1)
    return np.asarray(np.quantile(best_dk, LEVEL, axis=0))


def _centred(effects_kg: ArrayLike) -> Array:
    effects = np.asarray(effects_kg, dtype=np.float64)
    return np.asarray(effects - effects.mean(1, keepdims=True))
