"""What is normal and what is to be found, in a cohort of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tybalt_like.core.errors import DataError
from tybalt_like.io import read

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Case:
    """A cohort with the labels of its normal samples, and of the anomalies.

    Attributes
    ----------
    name
        Of the rows.
    remark
        What to know before reading the numbers.
    group
        Cases that count as one, such as tissues held out one by one; the case itself if empty.
    half
        Of a suite of cases: what it is for.
    hidden
        Share of the reference samples that are anomalies which nobody knows of: at most half of
        them, and the others are to be found.
    """

    name: str
    dataset: str
    label: str
    normal: tuple[str, ...]
    anomalies: tuple[str, ...]
    remark: str = ""
    group: str = ""
    half: str = ""
    hidden: float = 0.0


def of_file(
    path: str,
    *,
    label: str,
    normal: Sequence[str],
    anomalies: Sequence[str],
    obs: str | Path | None = None,
    reading: Mapping[str, Any] | None = None,
) -> tuple[Case, AnnData]:
    """A case of one's own.

    Parameters
    ----------
    path
        Any matrix that `io.read` reads.
    label
        Column with the labels below.
    obs
        Sample table to join to the matrix.
    reading
        `io.Options` by name.

    Raises
    ------
    DataError
        If the column or one of the labels does not exist.
    """
    adata = read(path, obs=obs, **(reading or {}))
    if label not in adata.obs:
        known = ", ".join(map(str, adata.obs.columns)) or "none"
        raise DataError(f"{path}: no column {label!r} in the sample table; columns: {known}")
    found = set(adata.obs[label].astype(str))
    if missing := [value for value in (*normal, *anomalies) if value not in found]:
        raise DataError(f"{path}: no sample has {label} = {missing[0]!r}; labels: {sorted(found)}")
    return Case(Path(path).name, path, label, tuple(normal), tuple(anomalies)), adata
