"""Held-out pairs as conditions: the means of their samples, and which genes really change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.perturbation.matching import Index
from tybalt_like.perturbation.prepare import Floats, Prepared
from tybalt_like.perturbation.profiles import MAX_FDR, HeldOut
from tybalt_like.perturbation.replicates import p_values

Mask = NDArray[np.bool_]


def held_out(
    ready: Prepared, group_n: NDArray[np.str_], *, test_n: Mask, learned_n: Mask
) -> tuple[HeldOut, Index]:
    """What predictions of the pairs `test_n` are measured by, and the condition of each of them.

    `group_n` are the held-out values of all units, `learned_n` the pairs that are learned from.
    """
    x1_ng = np.asarray(ready.pairs.X, dtype=np.float64)
    x2_ng = np.asarray(ready.pairs.layers[keys.AFTER], dtype=np.float64)
    first_c, condition_t = _conditions(group_n[test_n], ready.kind_n[test_n])
    first_o, condition_m = _conditions(group_n[learned_n], ready.kind_n[learned_n])
    x2_cg = means(x2_ng[test_n], condition_t)
    change_cg = x2_cg - means(ready.other_ng[test_n], condition_t)
    spare = [ready.spare[i] for i in np.flatnonzero(test_n)]
    held = HeldOut(
        group_c=group_n[test_n][first_c],
        kind_c=ready.kind_n[test_n][first_c],
        x2_cg=x2_cg,
        change_cg=change_cg,
        changed_cg=_changed(change_cg, ready, spare, condition_t),
        constant_g=x2_ng[learned_n].mean(0),
        mean_change_g=(x2_ng - x1_ng)[learned_n].mean(0),
        other_og=means(x2_ng[learned_n], condition_m),
        kind_o=ready.kind_n[learned_n][first_o],
    )
    return held, condition_t


def means(x_ng: Floats, code_n: Index) -> Floats:
    """Means of the rows of each code, (c, g)."""
    sum_cg = np.zeros((code_n.max() + 1, x_ng.shape[1]))
    np.add.at(sum_cg, code_n, x_ng)
    return sum_cg / np.bincount(code_n)[:, None]


def _conditions(group_n: NDArray[np.str_], kind_n: NDArray[np.str_]) -> tuple[Index, Index]:
    """The first row of each condition, and the condition of each row."""
    pairs = np.char.add(np.char.add(group_n, "\x1f"), kind_n)
    _, first_c, code_n = np.unique(pairs, return_index=True, return_inverse=True)
    return first_c, code_n


def _changed(
    change_cg: Floats, ready: Prepared, spare: list[Index], condition_t: Index
) -> NDArray[np.bool_]:
    """Genes that change, at a false discovery rate of `MAX_FDR` in each condition."""
    from scipy.stats import false_discovery_control

    found_cg = np.zeros(change_cg.shape, dtype=bool)
    if ready.variance.df < 1:
        return found_cg
    for c in np.flatnonzero(~np.isnan(change_cg).any(1)):
        rows = np.flatnonzero(condition_t == c)
        n_controls = len(np.unique(np.concatenate([spare[i] for i in rows])))
        weight = np.array([1 / len(rows) + 1 / n_controls])
        p_g = p_values(change_cg[c][None], ready.variance, weight)[0]
        found_cg[c] = false_discovery_control(p_g) <= MAX_FDR
    return found_cg
