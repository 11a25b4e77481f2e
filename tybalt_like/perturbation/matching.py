"""From a sample table to pairs: treated samples with their controls, and single samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.perturbation.design import ONE_TREATMENT, Design

Index = NDArray[np.intp]


@dataclass(frozen=True)
class Units:
    """What a model learns from for one drug: pairs first, then single untreated samples.

    Attributes
    ----------
    table
        One row per unit, named after its sample: ``row`` (of the sample table), ``is_pair``,
        ``group``, ``held_out``, ``response`` (NaN = unknown).
    candidates
        Rows of the controls of each unit; of a single sample, itself.
    shared_n
        Whether a unit's controls belong to several held-out values, as the vehicle wells of a
        plate do; each fold then gets controls of its own.
    notes
        What was left out.
    """

    table: pd.DataFrame
    candidates: tuple[Index, ...]
    shared_n: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


def drugs(obs: pd.DataFrame, design: Design) -> tuple[str, ...]:
    """The drugs that get a model of their own; `ONE_TREATMENT` for all together.

    Raises
    ------
    DataError
        If a column is missing, or a drug is not in the table.
    """
    _check(obs, design, has_responses=True)
    if not design.drugs or design.drug is None:
        return (ONE_TREATMENT,)
    treated = obs[_chosen(obs, design) & (obs[design.treatment].astype(str) != design.control)]
    known = sorted(set(treated[design.drug].dropna().astype(str)) - {""})
    if design.drugs == ("all",):
        return tuple(known)
    for drug in design.drugs:
        if drug not in known:
            raise DataError(
                f"perturbation.drugs: no treated sample has {design.drug} = {drug!r}; there are "
                f"{', '.join(known[:10])}{', ...' if len(known) > 10 else ''}"
            )
    return design.drugs


def units(
    obs: pd.DataFrame, design: Design, *, drug: str, responses: pd.DataFrame | None = None
) -> Units:
    """The pairs of one drug, and the controls of groups that have none.

    Raises
    ------
    DataError
        If there are no controls or no treated samples, or a treated sample has no control.
    """
    _check(obs, design, has_responses=responses is not None)
    chosen = _chosen(obs, design)
    state = obs[design.treatment].astype(str)
    control = np.flatnonzero(chosen & (state == design.control))
    treated_n = chosen & (state != design.control) & (state != "")
    if drug != ONE_TREATMENT:
        treated_n &= obs[str(design.drug)].astype(str) == drug
    treated = np.flatnonzero(treated_n)
    for what, found in (("untreated", control), ("treated", treated)):
        if len(found) == 0:
            where = f" of {drug}" if drug != ONE_TREATMENT else ""
            raise DataError(
                f"no {what} samples{where}: {design.treatment!r} is "
                f"{'never' if what == 'untreated' else 'always'} {design.control!r}"
            )
    key = joined(obs, [design.group, *design.match])
    group_n, held_n = _text(obs, design.group), _text(obs, design.held_out)
    by_key = {name: rows.to_numpy() for name, rows in pd.Series(control).groupby(key[control])}
    of_treated = [by_key.get(key[row], np.zeros(0, dtype=np.intp)) for row in treated]
    kept = np.array([len(rows) > 0 for rows in of_treated])
    notes = _refuse_or_note(obs, design, treated[~kept], n=len(treated))
    pairs = treated[kept]
    single = control[~np.isin(group_n[control], group_n[pairs])]
    rows = np.concatenate([pairs, single])
    table = pd.DataFrame(
        {
            "row": rows,
            "is_pair": np.arange(len(rows)) < len(pairs),
            "group": group_n[rows],
            "held_out": held_n[rows],
            "response": _responses(obs, design, rows, drug=drug, responses=responses),
        },
        index=obs.index[rows].rename("sample"),
    )
    candidates = [f for f in of_treated if len(f)] + [np.array([row]) for row in single]
    own = set(held_n[pairs])
    shared = [not set(held_n[c]) <= own for c in candidates[: len(pairs)]] + [False] * len(single)
    return Units(table, tuple(candidates), np.array(shared, dtype=bool), tuple(notes))


class Controls(NamedTuple):
    """Rows of the controls of every unit.

    Attributes
    ----------
    used
        What a predictor sees as the profile before treatment, averaged.
    spare
        Of held-out pairs: controls that no predictor sees, against which the change is measured.
    """

    used: tuple[Index, ...]
    spare: tuple[Index, ...]


def chosen_controls(
    found: Units,
    design: Design,
    fold_n: Index | None,
    rng: np.random.Generator,
    *,
    held_out: int | None = None,
) -> Controls:
    """The controls of every unit; with folds, no control serves two.

    Of the controls of pairs in the fold `held_out`, half are spared (fewer, if they are odd): noise
    of a control that is part of both the measured and the predicted change makes them correlate.

    Raises
    ------
    DataError
        If there are fewer shared controls than folds.
    """
    chosen = list(found.candidates)
    if fold_n is not None and found.shared_n.any():
        pool = np.unique(np.concatenate([chosen[i] for i in np.flatnonzero(found.shared_n)]))
        folds = np.unique(fold_n)
        of_control = dict(
            zip(pool, np.resize(folds, len(pool))[rng.permutation(len(pool))], strict=True)
        )
        for i in np.flatnonzero(found.shared_n):
            chosen[i] = np.array([c for c in chosen[i] if of_control[c] == fold_n[i]], np.intp)
            if len(chosen[i]) == 0:
                sample = found.table.index.to_list()[i]
                raise DataError(
                    f"{len(found.candidates[i])} controls of sample {sample} are too few for "
                    f"{len(folds)} folds that share none; lower perturbation.folds"
                )
    spare = [np.zeros(0, dtype=np.intp)] * len(chosen)
    if fold_n is not None and held_out is not None:
        halves: dict[tuple[int, ...], tuple[Index, Index]] = {}
        for i in np.flatnonzero((fold_n == held_out) & found.table["is_pair"].to_numpy(bool)):
            key = tuple(chosen[i])  # units with the same controls divide them alike
            if key not in halves:
                first, second = np.array_split(rng.permutation(chosen[i]), 2)
                halves[key] = first, second
            chosen[i], spare[i] = halves[key]
    if design.controls == "one":
        chosen = [rng.choice(rows, 1) for rows in chosen]
    return Controls(tuple(chosen), tuple(spare))


def _refuse_or_note(obs: pd.DataFrame, design: Design, lonely: Index, *, n: int) -> list[str]:
    """A note on treated samples without controls, or an error."""
    if len(lonely) == 0:
        return []
    columns = [design.group, *design.match]
    row = int(lonely[0])
    first, name = obs.iloc[row], obs.index.to_list()[row]
    means = ", ".join(f"{column} = {first[column]}" for column in columns)
    said = f"{len(lonely)} of {n} treated samples have no control, such as {name}: none has {means}"
    if design.unmatched == "refuse" or len(lonely) == n:
        raise DataError(f"{said}; change perturbation.match, or set unmatched = 'drop'")
    return [f"{said}; they are left out"]


def _responses(
    obs: pd.DataFrame,
    design: Design,
    rows: Index,
    *,
    drug: str,
    responses: pd.DataFrame | None,
) -> NDArray[np.float64]:
    """Response of each unit, NaN where it is unknown."""
    if design.response is None:
        return np.full(len(rows), np.nan)
    if responses is None:
        return pd.to_numeric(obs[design.response], errors="coerce").to_numpy(float)[rows]
    group_n = _text(obs, design.group)[rows]
    drug_n = np.full(len(rows), drug, dtype=object)
    if drug == ONE_TREATMENT:
        drug_n = _text(obs, str(design.drug))[rows]
    known = responses.set_index([design.group, str(design.drug)])[design.response]
    wanted = pd.MultiIndex.from_arrays([group_n, drug_n])
    return known.reindex(wanted).to_numpy(float)


def _check(obs: pd.DataFrame, design: Design, *, has_responses: bool = False) -> None:
    named = {
        "group": design.group,
        "treatment": design.treatment,
        "drug": design.drug,
        "hold_out": design.hold_out,
        "fold": design.fold,
        "response": None if has_responses or design.responses else design.response,
    }
    columns = [(key, column) for key, column in named.items() if column is not None]
    columns += [("match", column) for column in design.match]
    columns += [("where", column) for column in design.where]
    for key, column in columns:
        if column not in obs:
            known = ", ".join(map(str, obs.columns[:30]))
            raise DataError(
                f"perturbation.{key}: the sample table has no column {column!r}; it has {known}"
            )


def _chosen(obs: pd.DataFrame, design: Design) -> NDArray[np.bool_]:
    chosen = np.ones(len(obs), dtype=bool)
    for column, values in design.where.items():
        chosen &= np.isin(_text(obs, column), list(values))
    return chosen


def _text(obs: pd.DataFrame, column: str) -> NDArray[np.object_]:
    """A column as text, so that 24 and "24" and categories compare."""
    values = obs[column]
    return values.astype(object).where(values.notna(), "").astype(str).to_numpy(object)


def joined(obs: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.object_]:
    """The values of several columns as one text; empty texts for none."""
    parts = [_text(obs, column) for column in columns]
    rows = zip(*parts, strict=True) if parts else [()] * len(obs)
    return np.array(["\x1f".join(row) for row in rows], dtype=object)
