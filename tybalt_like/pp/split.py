"""The division of samples: who is learned from, who calibrates, who is tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError

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
    seed: int = 0,
) -> None:
    """Write ``obs["split"]``: train, validation, calibration, test, or query.

    The reference cohort (samples whose label is in `normal`, or all) is divided at random,
    stratified by label. Query samples, outside the reference, are never learned from.

    Parameters
    ----------
    label
        obs column to stratify by and to find `normal` in.
    normal
        Labels of the reference cohort; empty means that every sample belongs to it.
    train, calibration
        Shares of the reference to learn from and to calibrate on; the rest is the test split.
    validation
        Share of the training part that only decides when to stop.
    held_out
        Mask of samples that are query samples whatever their label.
    by
        obs column with an official division: reference samples called "test" there are the test
        split, and the others are divided in the proportions of `train` and `calibration`.
    seed
        Of the random division.

    Raises
    ------
    DataError
        If the column or a label does not exist, or fewer than 20 reference samples are found.
    """
    strata_n = _labels(adata, label)
    missing = sorted(set(normal) - set(strata_n))
    if missing:
        known = ", ".join(sorted(set(strata_n) - {""}))
        raise DataError(
            f"no sample has {label} = {missing[0]!r}; labels in column {label!r}: {known}"
        )
    reference_n = np.isin(strata_n, list(normal)) if normal else np.ones(adata.n_obs, bool)
    if held_out is not None:
        reference_n &= ~held_out
    if reference_n.sum() < MIN_REFERENCE:
        raise DataError(
            f"only {reference_n.sum()} reference samples; at least {MIN_REFERENCE} are needed to "
            "train, calibrate and test"
        )
    split_n = np.full(adata.n_obs, keys.QUERY, dtype=object)
    if by is not None:
        test_n = reference_n & (_labels(adata, by) == keys.TEST)
        split_n[test_n], reference_n = keys.TEST, reference_n & ~test_n
        train, calibration = train / (train + calibration), calibration / (train + calibration)
    shares = {"train": train, "calibration": calibration, "validation": validation}
    split_n[reference_n] = divided(strata_n[reference_n], **shares, seed=seed)
    adata.obs[keys.SPLIT] = split_n.astype(str)


def divided(
    strata_n: NDArray[np.object_], *, train: float, calibration: float, validation: float, seed: int
) -> NDArray[np.object_]:
    """The split of each sample of a reference cohort, from its stratum; see `split`."""
    rng = np.random.default_rng(seed)
    split_n = np.full(len(strata_n), keys.TEST, dtype=object)
    names = [keys.VALIDATION, keys.TRAIN, keys.CALIBRATION, keys.TEST]
    ends = np.cumsum([train * validation, train * (1 - validation), calibration])
    for stratum in sorted(set(strata_n)):
        rows = rng.permutation(np.flatnonzero(strata_n == stratum))
        for name, part in zip(
            names, np.split(rows, np.rint(ends * len(rows)).astype(int)), strict=True
        ):
            split_n[part] = name
    return split_n


def _labels(adata: AnnData, label: str | None) -> np.ndarray:
    """The label column as text, empty where it is missing."""
    if label is None:
        return np.full(adata.n_obs, "", dtype=object)
    if label not in adata.obs:
        known = ", ".join(map(str, adata.obs.columns)) or "none"
        raise DataError(f"no column {label!r} in the sample table; columns: {known}")
    column = adata.obs[label]
    return np.where(column.isna(), "", column.astype(str)).astype(object)
