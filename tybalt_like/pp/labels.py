"""What the values of a sample column are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

MOST_NAMED = 20
"""Labels that a message names."""
LEVELS = (2, 12)
"""A column with so few and so many values can serve as a label."""


def labels_of(adata: AnnData, label: str | None) -> NDArray[np.object_]:
    """A sample column as text, empty where it is missing; whole numbers have no decimals, although
    a gap made them fractions.

    Raises
    ------
    DataError
        If there is no such column.
    """
    if label is None:
        return np.full(adata.n_obs, "", dtype=object)
    if label not in adata.obs:
        known = ", ".join(map(str, adata.obs.columns)) or "none"
        raise DataError(f"no column {label!r} in the sample table; columns: {known}")
    return as_labels(adata.obs[label])


def as_labels(column: pd.Series) -> NDArray[np.object_]:
    """See `labels_of`."""
    column = column.infer_objects()
    if pd.api.types.is_float_dtype(column.dtype):
        known = column.dropna()
        if len(known) and np.isfinite(known).all() and (known == np.rint(known)).all():
            column = column.astype("Int64")
    return np.where(column.isna(), "", column.astype(object).astype(str)).astype(object)


def named(adata: AnnData, label: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """The labels that a user means, as the column spells them.

    A text is a label; or one but for case, as ``true`` is for ``True``; or several, separated by
    commas.

    Raises
    ------
    DataError
        If the column does not exist, or has no such label.
    """
    known = Counter(labels_of(adata, label).tolist())
    known.pop("", None)
    found: list[str] = []
    for text in wanted:
        whole = _spelled(text, known)
        parts = [whole] if whole else [_spelled(part, known) for part in text.split(",")]
        if not all(parts):
            missing = text if whole or "," not in text else text.split(",")[parts.index("")]
            raise DataError(
                f"no sample has {label} = {missing.strip()!r}; labels in column {label!r}: "
                f"{_listed(known)}"
            )
        found += [part for part in parts if part not in found]
    return tuple(found)


def candidates(adata: AnnData, *, most: int = 5) -> dict[str, Counter[str]]:
    """Sample columns that could serve as a label, each with how often its values occur."""
    found = dict[str, Counter[str]]()
    for column in map(str, adata.obs.columns):
        known = Counter(labels_of(adata, column).tolist())
        known.pop("", None)
        if LEVELS[0] <= len(known) <= LEVELS[1] and 2 * known.total() >= adata.n_obs:
            found[column] = known
    return dict(islice(found.items(), most))


def with_counts(found: Mapping[str, Counter[str]]) -> str:
    """Columns with their values: ``sex (F: 30, M: 28); batch (1: 58)``."""
    return "; ".join(f"{column} ({_listed(known)})" for column, known in found.items())


def _spelled(text: str, known: Counter[str]) -> str:
    """The label as the column has it; empty if there is none, or two that differ in case."""
    text = text.strip()
    if text in known:
        return text
    alike = [label for label in known if label.casefold() == text.casefold()]
    return alike[0] if len(alike) == 1 else ""


def _listed(known: Counter[str]) -> str:
    shown = [f"{label}: {n}" for label, n in known.most_common(MOST_NAMED)]
    return ", ".join([*shown, "..."] if len(known) > MOST_NAMED else shown)
