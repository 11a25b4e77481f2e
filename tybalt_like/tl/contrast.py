"""The difference of two groups in a latent space: features, genes, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.messages import some
from tybalt_like.interpretation.arithmetic import (
    MEANS,
    ceiling,
    compared,
    feature_table,
    gene_table,
)
from tybalt_like.interpretation.changes import AS_IS, Change, Comparison, fixed, projected
from tybalt_like.models import Model
from tybalt_like.pp.labels import labels_of, named
from tybalt_like.pp.split import recorded_groups
from tybalt_like.tl.codec import Array, Codec
from tybalt_like.tl.fit import in_split

if TYPE_CHECKING:
    from anndata import AnnData

Group = str | Sequence[str]
Pair = tuple[Group, Group]
Mask = NDArray[np.bool_]

LEAST = 5
"""Samples (or groups of samples that stay together) of each side, among those that are learned
from and among those that judge."""
PCA = "pca"
OWN = "mean difference of the level"
"""The rule that knows the level's own training samples; absent where there are too few."""
ALL = "all"
"""Stands for all levels of the column that a difference is taken within."""


@dataclass(frozen=True)
class Contrast:
    """A difference of groups in the latent space of a model, and what came of it.

    Attributes
    ----------
    name
        For example "Basal-like - Luminal A"; of a subtraction "(A - B) - (C - D)".
    model
        Name of the model.
    vector_k
        The difference of the mean codes of training samples.
    features
        `interpretation.feature_table`: which latent features carry it.
    genes
        `interpretation.gene_table`: what the model and the means say of every gene, and what
        was measured.
    agreement
        `interpretation.compared`: how near the model's changes of held-out samples are to the
        measured ones, beside the mean difference of the training samples and PCA with as many
        axes and, of a level, its own mean difference; with ``level`` (of the column in `within`,
        or "all"), ``n_first`` and ``n_second``.
    notes
        What could not be measured.
    """

    name: str
    model: str
    vector_k: Array
    features: pd.DataFrame = field(repr=False)
    genes: pd.DataFrame = field(repr=False)
    agreement: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Term:
    """One of the differences of a contrast.

    Attributes
    ----------
    held
        The comparison of held-out samples.
    vector_k, means
        Difference of the training samples' codes, and of their profiles.
    trained
        The comparison of training samples.
    moved_ng
        Profiles of the held-out samples of the second group after the move.
    """

    sign: int
    trained: Comparison
    held: Comparison
    vector_k: Array
    means: Change
    moved_ng: Array


def contrast(
    adata: AnnData,
    model: Model,
    *,
    column: str,
    groups: Pair,
    minus: Pair | None = None,
    within: str | None = None,
    seed: int = 0,
) -> Contrast:
    """The first group minus the second in latent space, learned on training samples and judged on
    others.

    The vector is the difference of the mean codes of training samples. Held-out samples (the
    splits ``test`` and ``query``) of the second group are moved by it and decoded; the mean change
    of their reconstructions is the model's, and is held beside the measured difference of the
    held-out groups. What the model could have known without a latent space stands beside it: the
    difference of the training means, and the same in as many principal axes. `adata` stays as it
    is. Samples that `pp.split` kept together count as one.

    Parameters
    ----------
    adata
        Normalised, with the split that `model` was trained by.
    column
        obs column with the groups.
    groups
        Two labels, or two lists of labels (`pp.labels.named`): the first minus the second.
    minus
        A second difference, of the same column, to be subtracted from the first.
    within
        obs column, such as the cell type, inside whose levels samples are compared; levels weigh
        as in a linear model with a term for each, and samples without one are left out. Every
        level that has enough held-out samples of both groups has rows of its own in
        `Contrast.agreement`; it may be absent from training.
    seed
        Of the halves of samples that the ceiling comes from.

    Raises
    ------
    DataError
        If a column or label does not exist, a label is on both sides, or a side has fewer than 5
        training or held-out samples.
    """
    train_n = in_split(adata, keys.TRAIN)
    held_n = in_split(adata, keys.TEST) | in_split(adata, keys.QUERY)
    level_n = None if within is None else labels_of(adata, within)
    codes = recorded_groups(adata)
    unit_n = np.arange(adata.n_obs) if codes is None else codes
    known_n = np.ones(adata.n_obs, bool) if level_n is None else level_n != ""
    sides = [_sides(adata, column, pair) for pair in (groups, minus) if pair is not None]
    codec = Codec(adata, model, train_n=train_n)
    terms = []
    for sign, (first_n, second_n, name) in zip((1, -1), sides, strict=False):
        trained, held = (
            _comparison(
                first_n & of_n & known_n,
                second_n & of_n & known_n,
                unit_n,
                level_n,
                what=what,
                name=name,
            )
            for of_n, what in ((train_n, "training"), (held_n, "held-out (test or query)"))
        )
        vector_k = trained.value(codec.z_nk)
        moved_ng = codec.reconstruction_ng.copy()
        start = np.flatnonzero(held.side_n < 0)
        moved_ng[start] = codec.decoded(start, codec.z_nk[start] + vector_k)
        means = trained.change(codec.x_ng, codec.link)
        terms.append(_Term(sign, trained, held, vector_k, means, moved_ng))
    name = " - ".join(f"({name})" if minus else name for *_, name in sides)
    vector_k = np.sum([term.sign * term.vector_k for term in terms], axis=0)
    agreement, notes = _agreement(codec, terms, level_n, train_n, seed)
    return Contrast(
        name=name,
        model=model.name,
        vector_k=vector_k,
        features=_features(codec, terms, train_n),
        genes=gene_table(
            _predicted(codec, terms).value_g,
            _sum(terms, [term.means for term in terms]),
            _measured(codec, terms),
            genes=adata.var_names,
        ),
        agreement=agreement,
        notes=tuple(notes),
    )


def _sides(adata: AnnData, column: str, pair: Pair) -> tuple[Mask, Mask, str]:
    """Masks of the first and of the second group, and what their difference is called."""
    label_n = labels_of(adata, column)
    sides = [named(adata, column, [g] if isinstance(g, str) else list(g)) for g in pair]
    if both := set(sides[0]) & set(sides[1]):
        raise DataError(f"{column} = {min(both)!r} is on both sides of a difference")
    first_n, second_n = (np.isin(label_n, side) for side in sides)
    return first_n, second_n, " - ".join(" + ".join(side) for side in sides)


def _comparison(
    first_n: Mask,
    second_n: Mask,
    unit_n: NDArray[np.intp],
    level_n: NDArray[np.object_] | None,
    *,
    what: str,
    name: str,
) -> Comparison:
    found = Comparison.of(first_n, second_n, unit_n=unit_n, level_n=level_n)
    for side in (1, -1):
        n = len(np.unique(unit_n[found.side_n == side]))
        if n < LEAST:
            kind = "samples or groups of samples" if level_n is None else "samples in shared levels"
            raise DataError(
                f"{name}: the {'first' if side > 0 else 'second'} group has {n} {what} {kind}; "
                f"at least {LEAST} are needed, so divide again (pp.split) or join groups"
            )
    return found


def _sum(terms: Sequence[_Term], changes: Sequence[Change]) -> Change:
    """The first minus the second, if there are two."""
    return changes[0] if len(terms) == 1 else changes[0] - changes[1]


def _measured(codec: Codec, terms: Sequence[_Term]) -> Change:
    return _sum(terms, [term.held.change(codec.x_ng, codec.link) for term in terms])


def _predicted(codec: Codec, terms: Sequence[_Term]) -> Change:
    """By the model: reconstructions after the move minus those before."""
    return _sum(
        terms,
        [
            term.held.second.change(term.moved_ng, codec.link)
            - term.held.second.change(codec.reconstruction_ng, codec.link)
            for term in terms
        ],
    )


def _by_pca(codec: Codec, terms: Sequence[_Term], train_n: Mask) -> Change:
    """By principal axes of the training profiles, as many as the model has features; of counts,
    of their logarithms."""
    x_ng = codec.x_ng
    logged = codec.link is not AS_IS
    scaled_ng = np.log2(1 + x_ng) if logged else x_ng
    k = codec.z_nk.shape[1]
    changes = []
    for term in terms:
        moved_g = projected(term.trained.value(scaled_ng), scaled_ng[train_n], k)
        start = term.held.second
        if logged:
            moved_ng = np.maximum(np.exp2(scaled_ng + moved_g) - 1, 0)
            change = start.change(moved_ng, codec.link) - start.change(x_ng, codec.link)
        else:
            change = fixed(moved_g, start.change(x_ng))
        changes.append(change)
    return _sum(terms, changes)


def _inside(comparison: Comparison, at_n: Mask) -> Comparison | None:
    """The comparison of one level alone; None if it has too few samples."""
    first_n, second_n = (at_n & (comparison.side_n == side) for side in (1, -1))
    unit_n = comparison.unit_n
    if min(len(np.unique(unit_n[group_n])) for group_n in (first_n, second_n)) < LEAST:
        return None
    return Comparison.of(first_n, second_n, unit_n=unit_n, level_n=None)


def _own_means(codec: Codec, terms: Sequence[_Term], at_n: Mask) -> Change | None:
    """The mean difference of a level's own training samples; None if it has too few."""
    changes = []
    for term in terms:
        own = _inside(term.trained, at_n)
        if own is None:
            return None
        changes.append(own.change(codec.x_ng, codec.link))
    return _sum(terms, changes)


def _levels(
    terms: Sequence[_Term], level_n: NDArray[np.object_] | None
) -> dict[str, list[_Term] | None]:
    """The terms as they are, and inside every level; None where held-out samples are too few."""
    found: dict[str, list[_Term] | None] = {ALL: list(terms)}
    if level_n is None:
        return found
    judged_n = np.any([term.held.side_n for term in terms], axis=0)
    for level in sorted(set(level_n[judged_n])):
        held = [_inside(term.held, level_n == level) for term in terms]
        inside = [
            replace(term, held=of_level)
            for term, of_level in zip(terms, held, strict=True)
            if of_level is not None
        ]
        found[str(level)] = inside if len(inside) == len(terms) else None
    return found


def _agreement(
    codec: Codec,
    terms: Sequence[_Term],
    level_n: NDArray[np.object_] | None,
    train_n: Mask,
    seed: int,
) -> tuple[pd.DataFrame, list[str]]:
    tables, left_out = [], []
    for level, inside in _levels(terms, level_n).items():
        if inside is None:
            left_out.append(level)
            continue
        measured = _measured(codec, inside)
        rules = {codec.model.name: _predicted(codec, inside)}
        rules[MEANS] = fixed(_sum(terms, [term.means for term in terms]).value_g, measured)
        if codec.model.name != PCA:
            rules[PCA] = _by_pca(codec, inside, train_n)
        if level != ALL and level_n is not None:
            own = _own_means(codec, inside, level_n == level)
            rules |= {} if own is None else {OWN: fixed(own.value_g, measured)}

        def value(kept_n: Mask, inside: list[_Term] = inside) -> Array | None:
            halves = [term.held.among(kept_n) for term in inside]
            if any(half is None for half in halves):
                return None
            values = [
                term.sign * half.value(codec.x_ng, codec.link)
                for term, half in zip(inside, halves, strict=True)
                if half is not None
            ]
            return np.asarray(np.sum(values, axis=0))

        highest = ceiling(value, measured.unit_n, measured.part_n, seed)
        n_first, n_second = np.sum([term.held.sizes for term in inside], axis=0)
        table = compared(rules, measured, ceiling=highest)
        tables.append(table.assign(level=level, n_first=n_first, n_second=n_second))
    stacked = pd.concat(tables, ignore_index=True)
    first = ["level", "rule", "n_first", "n_second"]
    notes = []
    if np.isnan(stacked.loc[stacked["level"] == ALL, "ceiling"]).all():
        notes.append(
            "halves of the held-out samples agree on no difference between these groups, so that "
            "nothing can be judged by them"
        )
    if left_out:
        notes.append(
            f"not judged alone, for want of {LEAST} held-out samples of each group: "
            f"{some(left_out)}"
        )
    return stacked[[*first, *stacked.columns.drop(first)]], notes


def _features(codec: Codec, terms: Sequence[_Term], train_n: Mask) -> pd.DataFrame:
    """How each feature alone changes genes is read off at the mean code of the second group."""
    trained = _sum(terms, [term.trained.change(codec.z_nk) for term in terms])
    held = _sum(terms, [term.held.change(codec.z_nk) for term in terms])
    gene_change_k = 0.0
    for term in terms:
        start_k = term.trained.second.value(codec.z_nk)
        steps_kk = start_k + np.diag(trained.value_g)
        before_g, after_kg = codec.typical(start_k[None]), codec.typical(steps_kk)
        square_k = np.square(after_kg - before_g).mean(1)
        gene_change_k = gene_change_k + square_k / len(terms)
    names = [f"{codec.model.name}_{i + 1}" for i in range(len(trained.value_g))]
    return feature_table(
        trained,
        held,
        spread_k=codec.z_nk[train_n].std(0),
        gene_change_k=np.sqrt(gene_change_k),
        features=pd.Index(names),
    )
