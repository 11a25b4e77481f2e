"""Sample tables: reading them, and joining them to a matrix by sample id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like.errors import DataError
from tybalt_like.io.layout import MISSING, decoded, is_number, split
from tybalt_like.io.source import Source

if TYPE_CHECKING:
    from anndata import AnnData

UNRECORDED = (*MISSING, "[Not Available]", "[Not Applicable]", "[Not Evaluated]", "'--", "--")
"""Cells of a sample table that say that nothing is known."""

_BARCODE = re.compile(r"TCGA[-.]\w{2}[-.]\w{4}", re.IGNORECASE)
_SHOWN = 5


@dataclass(frozen=True)
class SampleTable:
    """A clinical table as text, before it is known which column holds the sample ids.

    Parameters
    ----------
    frame
        Cells as text, NaN where nothing is recorded; its index is a plain range.
    name
        Of the file, for messages.
    """

    frame: pd.DataFrame
    name: str

    @classmethod
    def of(cls, obs: str | Path | pd.DataFrame) -> SampleTable:
        """Read a file, or take a table whose index or one of whose columns holds the ids."""
        if isinstance(obs, pd.DataFrame):
            named = obs.rename_axis(obs.index.name or "sample")
            return cls(named.reset_index(), "the sample table")
        source = Source(obs)
        if source.path.suffix.lower() in {".xlsx", ".xls"}:
            return cls(_excel(source), source.name)
        return cls(_text(source), source.name)

    @property
    def ids(self) -> set[str]:
        """Every cell or heading that could be a sample id."""
        cells = (set(column.dropna().astype(str)) for _, column in self.frame.items())
        return set(map(str, self.frame.columns)).union(*cells)


@dataclass(frozen=True)
class Match:
    """Which row of a sample table belongs to which sample.

    Parameters
    ----------
    column
        The column of sample ids.
    characters
        How many characters of TCGA barcodes were compared; None means whole ids.
    rows
        Row number for each sample, -1 where there is none.
    """

    column: str
    characters: int | None
    rows: np.ndarray[tuple[int], np.dtype[np.intp]]


def join(adata: AnnData, table: SampleTable) -> tuple[list[str], dict[str, list[str]]]:
    """Put the columns of a sample table into ``adata.obs``.

    Samples without a row keep missing values; rows without a sample are left out. Both are
    counted in the sentences returned, and listed in full in the dictionary.

    Raises
    ------
    DataError
        If no sample is found in the table, or one is found in several of its rows.
    """
    samples = list(adata.obs_names)
    frame, match = _match(samples, table)
    found = match.rows >= 0
    chosen = frame.drop(columns=match.column).iloc[match.rows].set_axis(adata.obs_names)
    chosen.loc[~found] = np.nan
    for column in chosen.columns:
        adata.obs[column] = typed(chosen[column])
    ids = frame[match.column].astype(str)
    unused = list(ids[~np.isin(np.arange(len(ids)), match.rows)])
    missed = [sample for sample, hit in zip(samples, found, strict=True) if not hit]
    how = f"the first {match.characters} characters" if match.characters else "whole ids"
    notes = [
        f"{found.sum()} of {len(samples)} samples found in column {match.column!r} of "
        f"{table.name}, by {how}"
    ]
    if missed:
        notes.append(f"{len(missed)} samples have no row there: {_some(missed)}")
    if unused:
        notes.append(f"{len(unused)} rows there have no sample: {_some(unused)}")
    return notes, {"samples_without_row": missed, "rows_without_sample": unused}


def typed(column: pd.Series) -> pd.Series:
    """Text as numbers or truth values if every recorded cell is one; else as it is."""
    known = column.dropna()
    if column.dtype != object or known.empty:
        return column
    cells = known.astype(str)
    if cells.map(is_number).all() and not cells.str.match(r"\s*[+-]?0\d").any():
        numbers = pd.to_numeric(column)
        return numbers
    if len(known) == len(column) and cells.isin(["True", "False", "TRUE", "FALSE"]).all():
        return cells.str.upper() == "TRUE"
    return column


def _match(samples: Sequence[str], table: SampleTable) -> tuple[pd.DataFrame, Match]:
    """The best column of the table, or of the table turned over, by whole ids or barcodes."""
    best: tuple[int, pd.DataFrame, str, int | None] = (0, table.frame, "", None)
    for characters in (None, 15, 12):
        keys = {_key(sample, characters) for sample in samples}
        for frame in (table.frame, _turned(table.frame, keys, characters)):
            for column in frame.columns:
                ids = {_key(cell, characters) for cell in frame[column].dropna().astype(str)}
                hits = sum(_key(sample, characters) in ids for sample in samples)
                if hits > best[0]:
                    best = (hits, frame, str(column), characters)
        if best[0] == len(samples):
            break
    hits, frame, column, characters = best
    if hits == 0:
        theirs = table.frame.iloc[:, 0].dropna().astype(str)
        raise DataError(
            f"{table.name}: no sample of the matrix is in this table (matrix: "
            f"{_some(samples, 3)}; first column: {_some(list(theirs), 3)}); use the same ids"
        )
    return frame, Match(column, characters, _rows(samples, frame[column], characters, table.name))


def _rows(
    samples: Sequence[str], ids: pd.Series, characters: int | None, name: str
) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    keys = ids.astype(str).map(lambda cell: _key(cell, characters)).where(ids.notna())
    wanted = [_key(sample, characters) for sample in samples]
    twice = keys[keys.duplicated() & keys.isin(wanted)]
    if len(twice):
        raise DataError(
            f"{name}: sample {twice.iloc[0]!r} has several rows; keep one row for each sample"
        )
    row_of = {key: row for row, key in enumerate(keys) if isinstance(key, str)}
    return np.array([row_of.get(key, -1) for key in wanted], dtype=np.intp)


def _turned(frame: pd.DataFrame, keys: set[str], characters: int | None) -> pd.DataFrame:
    """The table with its columns as rows, if its headings are sample ids; else an empty one."""
    if not any(_key(str(column), characters) in keys for column in frame.columns):
        return pd.DataFrame()
    turned = frame.set_index(frame.columns[0]).T
    return turned.rename_axis(index="sample", columns=None).reset_index()


def _key(sample: str, characters: int | None) -> str:
    """A sample id, or the first characters of a TCGA barcode in its usual spelling."""
    if characters is None or not _BARCODE.match(sample):
        return sample
    return sample.upper().replace(".", "-")[:characters]


def _some(names: Sequence[str], shown: int = _SHOWN) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def _text(source: Source) -> pd.DataFrame:
    lines = [
        decoded(line)
        for block in source.blocks()
        for line in block.splitlines()
        if line.strip() and not line.startswith(b"#")
    ]
    if len(lines) < 2:
        raise DataError(f"{source.name}: the sample table has no rows below its header")
    sep = max("\t,;", key=lambda sep: len(split(lines[0], sep)))
    header, *rows = ([cell.strip() for cell in split(line, sep)] for line in lines)
    if len(rows[0]) == len(header) + 1:
        header = ["sample", *header]
    for i, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise DataError(
                f"{source.name}: row {i} ({row[0]!r}) has {len(row)} fields where the header has "
                f"{len(header)}"
            )
    frame = pd.DataFrame(rows, columns=_unique(header, source.name), dtype=object)
    return frame.mask(frame.isin(list(UNRECORDED)))


def _excel(source: Source) -> pd.DataFrame:
    try:
        frame = pd.read_excel(source.path, dtype=object)
    except ImportError as error:
        raise DataError(
            f"{source.name}: reading Excel needs openpyxl: pip install 'tybalt-like[excel]', or "
            "save the table as tsv"
        ) from error
    return frame.set_axis(_unique(list(map(str, frame.columns)), source.name), axis=1)


def _unique(header: list[str], name: str) -> list[str]:
    header = [cell or f"column_{i}" for i, cell in enumerate(header, 1)]
    twice = {cell for cell in header if header.count(cell) > 1}
    if twice:
        raise DataError(f"{name}: column {min(twice)!r} occurs twice; rename one")
    return header
