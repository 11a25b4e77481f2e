"""The division of samples: who is learned from, who calibrates, who is tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import record, recorded
from tybalt_like.pp.labels import labels_of, named
from tybalt_like.pp.rounding import NOTHING, whole_numbers
from tybalt_like.pp.sameness import same_samples

if TYPE_CHECKING:
    from anndata import AnnData

MIN_REFERENCE = 20
"""Fewer reference samples leave too few to calibrate on (4 of 20)."""


def split(
    adata: AnnData,
    *,
    label: str | None = None,
    normal: Sequence[str] = (),
    train: float = 0.6,
    calibration: float = 0.2,
    validation: float = 0.1,
    held_out: NDArray[np.bool_] | None = None,
    by: str | None = None,
    group: str | None = None,
    seed: int = 0,
) -> None:
    """Write ``obs["tybalt_split"]``: train, validation, calibration, test, or query.

    The reference cohort (samples whose label is in `normal`, or all) is divided at random,
    stratified by label: every part has within one sample of its share of the whole and of every
    label, and every sample is as likely in each part as its share says. Query samples, outside
    the reference, are never learned from. Samples with the same profile stay together.

    Parameters
    ----------
    label
        obs column to stratify by and to find `normal` in.
    normal
        Labels of the reference cohort (`pp.labels.named`); empty means that every sample belongs
        to it.
    train, calibration
        Shares of the reference to learn from and to calibrate on; the rest is the test split.
    validation
        Share of the training part that only decides when to stop.
    held_out
        Mask of samples that are query samples whatever their label.
    by
        obs column with an official division: reference samples called "test" there are the test
        split, and the others are divided in the proportions of `train` and `calibration`.
    group
        obs column, such as the patient, donor, experiment or batch, whose samples stay together:
        each group is in one part of the reference. Without it, p-values hold for new samples of
        known groups. A sample without a group is one of its own. Parts are then as near to their
        shares as whole groups allow, and labels are stratified where groups have one; where
        groups are few, none may be left for validation.
    seed
        Of the random division.

    Raises
    ------
    DataError
        If a column or a label does not exist, fewer than 20 reference samples are found, there
        are fewer groups than parts, or `by` cuts through a group.

    Examples
    --------
    >>> import tybalt_like as ty
    >>> adata = ty.datasets.load("tcga_brca")
    >>> ty.pp.split(adata, label="pam50", normal=["Luminal A", "Luminal B"])
    >>> adata.obs["tybalt_split"].value_counts().to_dict()
    {'train': 302, 'query': 210, 'test': 112, 'calibration': 111, 'validation': 34}
    """
    strata_n = labels_of(adata, label)
    reference_n = np.ones(adata.n_obs, bool)
    if normal:
        if label is None:
            raise DataError("normal labels need the column to look in (label)")
        reference_n = np.isin(strata_n, named(adata, label, normal))
    if held_out is not None:
        reference_n &= ~held_out
    if reference_n.sum() < MIN_REFERENCE:
        raise DataError(
            f"only {reference_n.sum()} reference samples; at least {MIN_REFERENCE} are needed to "
            "train, calibrate and test"
        )
    split_n = np.full(adata.n_obs, keys.QUERY, dtype=object)
    if by is not None:
        test_n = reference_n & (labels_of(adata, by) == keys.TEST)
        split_n[test_n], reference_n = keys.TEST, reference_n & ~test_n
        train, calibration = train / (train + calibration), calibration / (train + calibration)
        if group is not None:
            _refuse_cut(labels_of(adata, group), test_n, reference_n, f"{by!r} puts {group}")
    record(adata, **{keys.GROUP: group, keys.SAME: same_samples(adata)})
    group_n = kept_together(adata, group)
    split_n[reference_n] = divided(
        strata_n[reference_n],
        train=train,
        calibration=calibration,
        validation=validation,
        group_n=None if group_n is None else group_n[reference_n],
        seed=seed,
    )
    adata.obs[keys.SPLIT] = split_n.astype(str)


def divided(
    strata_n: ArrayLike,
    *,
    train: float,
    calibration: float,
    validation: float,
    group_n: ArrayLike | None = None,
    seed: int,
) -> NDArray[np.object_]:
    """The split of each sample of a reference cohort, from its stratum and group; see `split`.

    Raises
    ------
    DataError
        If there are fewer groups than parts.
    """
    wholes, rng = _wholes(strata_n, group_n), np.random.default_rng(seed)
    parts = {
        keys.VALIDATION: train * validation,
        keys.TRAIN: train * (1 - validation),
        keys.CALIBRATION: calibration,
        keys.TEST: max(0.0, 1 - train - calibration),
    }
    names = np.array([name for name, share in parts.items() if share > NOTHING], dtype=object)
    needed = [name for name in names if name != keys.VALIDATION]
    if len(wholes.size_w) < len(needed):
        raise DataError(
            f"{len(wholes.size_w)} groups of samples cannot be divided into {len(needed)} parts "
            f"({', '.join(needed)}); each part needs one at least"
        )
    order = wholes.order(rng)
    # Groups of the same stratum and size are interchangeable: they are rounded together.
    alike = pd.DataFrame({"stratum": wholes.stratum_w, "size": wholes.size_w}).iloc[order]
    n_c = alike.groupby(["stratum", "size"], sort=False).size()
    shares_p = np.array([parts[name] for name in names])
    n_cp = whole_numbers(
        np.outer(n_c, shares_p / shares_p.sum()), n_c.index.get_level_values("size").to_numpy(), rng
    )
    part_w = np.empty(len(order), dtype=object)
    part_w[order] = np.repeat(np.tile(names, len(n_cp)), n_cp.ravel())
    for name in needed:
        if name not in part_w:  # few groups: a small one is moved from where there are most
            spare = {part: (part_w == part).sum() - (part in needed) for part in names}
            from_w = order[part_w[order] == max(spare, key=lambda part: spare[part])]
            part_w[min(from_w, key=lambda w: wholes.size_w[w])] = name
    return part_w[wholes.whole_n]


def folds(
    strata_n: ArrayLike, k: int, *, group_n: ArrayLike | None = None, seed: int
) -> NDArray[np.int64]:
    """The fold of every sample, 0 to k - 1, whole groups together.

    The next group goes to the fold that has the fewest samples of its stratum; of those to one
    with the fewest samples, at random. Without groups every fold has within one sample of its
    share of the whole and of every stratum. Folds are interchangeable, so that every sample is as
    likely in each.

    Parameters
    ----------
    strata_n
        What folds should have equal shares of; a group with several of them is of a stratum of
        its own, together with the groups that have the same ones.
    k
        Folds. With fewer groups than that (samples, without `group_n`) each has its own: a
        number of at least n is leave-one-out.
    group_n
        Samples with the same value stay together; a missing or empty one is a group of its own.
    seed
        Of the order inside strata, and of ties.

    Raises
    ------
    DataError
        If there is nothing to divide: k < 2, or a single group.
    """
    wholes = _wholes(strata_n, group_n)
    if k < 2 or len(wholes.size_w) < 2:
        raise DataError(
            f"{len(wholes.size_w)} groups of samples cannot be divided into {k} folds; at least 2 "
            "of both are needed"
        )
    rng, k = np.random.default_rng(seed), min(k, len(wholes.size_w))
    fold_w = np.zeros(len(wholes.size_w), dtype=np.int64)
    n_k, of_stratum_k, stratum = np.zeros(k), np.zeros(k), ""
    for w in wholes.order(rng):
        if wholes.stratum_w[w] != stratum:
            of_stratum_k[:], stratum = 0, wholes.stratum_w[w]
        fold = np.lexsort((rng.random(k), n_k, of_stratum_k))[0]
        fold_w[w] = fold
        n_k[fold] += wholes.size_w[w]
        of_stratum_k[fold] += wholes.size_w[w]
    return fold_w[wholes.whole_n]


@dataclass(frozen=True)
class _Wholes:
    """What is divided: groups, or single samples.

    Attributes
    ----------
    whole_n
        The number of each sample's group.
    size_w, stratum_w
        Samples of every group, and what it is stratified by.
    """

    whole_n: NDArray[np.intp]
    size_w: NDArray[np.intp]
    stratum_w: NDArray[np.str_]

    def order(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Strata one after the other, inside them large groups first, equal ones at random.

        The smallest groups of the smallest stratum come last: they even out what is uneven.
        """
        _, code_w = np.unique(self.stratum_w, return_inverse=True)
        n_w = np.bincount(code_w, self.size_w)[code_w]
        return np.lexsort((rng.random(len(code_w)), -self.size_w, code_w, -n_w))


def _wholes(strata_n: ArrayLike, group_n: ArrayLike | None) -> _Wholes:
    strata_n = np.asarray(strata_n).astype(str)
    if group_n is None:
        n = len(strata_n)
        return _Wholes(np.arange(n), np.ones(n, dtype=np.intp), strata_n)
    _, whole_n, size_w = np.unique(codes(group_n), return_inverse=True, return_counts=True)
    stratum_w = [
        "\x1f".join(sorted(set(labels))) for _, labels in pd.Series(strata_n).groupby(whole_n)
    ]
    return _Wholes(whole_n, size_w, np.array(stratum_w, dtype=str))


def codes(group_n: ArrayLike) -> NDArray[np.intp]:
    """Groups numbered; samples without one (missing, or empty) get a number of their own."""
    named_n = pd.Series(np.asarray(group_n), dtype=object)
    code_n = pd.factorize(named_n)[0]
    alone_n = (named_n.isna() | (named_n == "")).to_numpy()
    code_n[alone_n] = len(code_n) + np.arange(alone_n.sum())
    return code_n


def recorded_groups(adata: AnnData) -> NDArray[np.intp] | None:
    """What `split` kept together (`kept_together`)."""
    return kept_together(adata, recorded(adata).get(keys.GROUP))


def kept_together(adata: AnnData, group: str | None) -> NDArray[np.intp] | None:
    """Numbers of the groups of an obs column, those merged that have samples with the same profile
    (`same_samples`, as recorded); None if every sample stands alone."""
    row_of = {str(name): row for row, name in enumerate(adata.obs_names)}
    same = recorded(adata).get(keys.SAME, [])
    copies = [[row_of[name] for name in names if name in row_of] for names in same]
    copies = [rows for rows in copies if len(rows) > 1]
    if group is None and not copies:
        return None
    code_n = codes(labels_of(adata, group))
    for rows in copies:  # whatever the groups of the copies are, they become one
        code_n[np.isin(code_n, code_n[rows])] = code_n[rows[0]]
    return code_n


def _refuse_cut(
    group_n: NDArray[np.object_],
    test_n: NDArray[np.bool_],
    other_n: NDArray[np.bool_],
    said: str,
) -> None:
    """Of an official division, refuse groups that lie on both sides."""
    cut = sorted((set(group_n[test_n]) & set(group_n[other_n])) - {""})
    if cut:
        raise DataError(
            f"{said} {cut[0]!r} ({len(cut)} in all) both into the test split and outside; leave "
            "out one of the two, or mend the column"
        )
