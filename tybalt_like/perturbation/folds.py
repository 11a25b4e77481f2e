"""Parts that are held out in turn, whole groups at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.perturbation.design import Design
from tybalt_like.perturbation.matching import Index, Units

MIN_GROUPS = 5
"""With fewer training groups, validation samples are drawn from all of them."""


def folds(found: Units, obs: pd.DataFrame, design: Design, *, seed: int) -> Index:
    """The fold of every unit, from 0; values of the held-out column stay together.

    Groups are dealt out in the order of their mean response, so that every fold has some of each
    class.

    Raises
    ------
    DataError
        If there are fewer groups than folds, or a fold made by hand splits a group.
    """
    group_n = found.table["held_out"].to_numpy(str)
    if design.fold is not None:
        return _by_hand(found, obs, design)
    names = np.unique(group_n)
    if len(names) < design.folds:
        raise DataError(
            f"{design.held_out!r} has {len(names)} values, too few for {design.folds} folds; "
            "lower perturbation.folds, or hold out another column"
        )
    order = _dealt(found.table, "held_out", seed=seed)
    fold_of = {name: i % design.folds for i, name in enumerate(order)}
    return np.array([fold_of[name] for name in group_n])


def splits(found: Units, fold_n: Index, design: Design, *, fold: int | None, seed: int) -> Index:
    """``train``, ``validation`` or ``test`` of every unit; with ``fold=None`` nothing is tested."""
    split_n = np.full(len(fold_n), keys.TRAIN, dtype=object)
    test_n = np.zeros(len(fold_n), dtype=bool) if fold is None else fold_n == fold
    table = found.table[~test_n]
    group_n = table["held_out"].to_numpy(str)
    names = np.unique(group_n)
    inner_seed = [seed, 0 if fold is None else fold + 1]
    if len(names) >= MIN_GROUPS:
        order = _dealt(table, "held_out", seed=inner_seed)
        every = max(2, round(1 / design.validation))
        validation_n = np.isin(group_n, order[every // 2 :: every])
    else:
        at = np.random.default_rng(inner_seed).permutation(len(table))
        validation_n = np.isin(np.arange(len(table)), at[: round(design.validation * len(at))])
    split_n[np.flatnonzero(~test_n)[validation_n]] = keys.VALIDATION
    split_n[test_n] = keys.TEST
    return split_n


def keep_labels(
    table: pd.DataFrame, split_n: Index, *, share: float, seed: int
) -> NDArray[np.float64]:
    """The responses, known for that share of the groups only outside the test part."""
    response_n = table["response"].to_numpy(float).copy()
    learned_n = (split_n != keys.TEST) & ~np.isnan(response_n)
    order = _dealt(table[learned_n], "group", seed=[seed, 1])
    n = min(len(order), max(2, round(share * len(order))))
    kept = order[np.linspace(0, len(order) - 1, n).round().astype(int)]
    response_n[learned_n & ~np.isin(table["group"].to_numpy(str), kept)] = np.nan
    return response_n


def _dealt(table: pd.DataFrame, column: str, *, seed: int | list[int]) -> NDArray[np.str_]:
    """The values of a column in random order, sorted by mean response."""
    mean = table.groupby(column)["response"].mean()
    shuffled = np.random.default_rng(seed).permutation(mean.index.to_numpy(str))
    order = np.argsort(mean.reindex(shuffled).to_numpy(), kind="stable")
    return np.asarray(shuffled[order])


def _by_hand(found: Units, obs: pd.DataFrame, design: Design) -> Index:
    given = obs[str(design.fold)].astype(object).iloc[found.table["row"]]
    if given.isna().any():
        name = found.table.index[int(given.isna().to_numpy().argmax())]
        raise DataError(f"sample {name} has no {design.fold!r}, the column with the folds")
    of_group = pd.Series(given.astype(str).to_numpy()).groupby(
        found.table["held_out"].to_numpy(str)
    )
    for group, folds_of_group in of_group:
        several = sorted(set(folds_of_group))
        if len(several) > 1:
            raise DataError(
                f"{design.held_out} {group!r} lies in the folds {' and '.join(several[:3])} of "
                f"{design.fold!r}; all samples of one must lie in one fold"
            )
    values, code_n = np.unique(given.astype(str).to_numpy(str), return_inverse=True)
    if len(values) < 2:
        raise DataError(f"{design.fold!r} holds one fold only; at least 2 are needed")
    return code_n
