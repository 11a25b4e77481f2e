"""Sample tables: reading them, and joining them to a matrix by sample id."""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import pandas as pd

from tybalt_like.core.errors import DataError
from tybalt_like.io.layout import MISSING, decoded, header_at, is_number, split
from tybalt_like.io.source import Source

if TYPE_CHECKING:
    from anndata import AnnData

UNRECORDED = (*MISSING, "[Not Available]", "[Not Applicable]", "[Not Evaluated]", "'--", "--")
"""Cells of a sample table that say that nothing is known."""

_BARCODE = re.compile(r"TCGA[-.]\w{2}[-.]\w{4}", re.IGNORECASE)
_SHOWN = 5


@dataclass(frozen=True)
class Match:
    """Which row of a sample table belongs to which sample.

    Parameters
    ----------
    frame
        The table.
    column
        Its column of sample ids.
    characters
        How many characters of TCGA barcodes were compared; None means whole ids.
    rows
        Row number for each sample, -1 where there is none.
    """

    frame: pd.DataFrame
    column: str
    characters: int | None
    rows: list[int]


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
            frame, name = _indexed(obs), "the sample table"
        else:
            source = Source(obs)
            name = source.name
            try:
                frame = _excel(source) if _is_excel(source) else _text(source)
            except (csv.Error, ValueError, BadZipFile) as error:
                raise DataError(f"{name}: not a sample table ({error})") from error
        _refuse_repeated(frame.columns, name)
        return cls(frame, name)

    def hits(self, names: Sequence[str]) -> int:
        """How many of the names the best column, or the headings, of the table hold."""
        return self._best(names)[0]

    def match(self, samples: Sequence[str]) -> Match:
        """Find the row of each sample.

        Raises
        ------
        DataError
            If no sample is in the table, or one has several rows.
        """
        hits, frame, column, characters = self._best(samples)
        if hits == 0:
            theirs = [str(cell) for cell in self.frame.iloc[:, 0].dropna()]
            raise DataError(
                f"{self.name}: no sample of the matrix is in this table (matrix: "
                f"{_some(samples, 3)}; first column: {_some(theirs, 3)}); use the same ids"
            )
        _refuse_repeated(frame.columns, self.name)
        keys = [_key(str(cell), characters) for cell in frame[column]]
        wanted = [_key(sample, characters) for sample in samples]
        times = Counter(keys)
        twice = next((key for key in wanted if times[key] > 1), None)
        if twice is not None:
            raise DataError(
                f"{self.name}: sample {twice!r} has {times[twice]} rows in column {column!r}; keep "
                "one row for each sample"
            )
        row_of = {key: row for row, key in enumerate(keys)}
        return Match(frame, column, characters, [row_of.get(key, -1) for key in wanted])

    def _best(self, names: Sequence[str]) -> tuple[int, pd.DataFrame, str, int | None]:
        """Samples found, table (turned over if its headings are samples), column and characters
        compared. Whole ids win where barcodes cut to 15 or 12 characters find no more."""
        best: tuple[int, pd.DataFrame, str, int | None] = (0, self.frame, "", None)
        candidates = [(self.frame, column) for column in self.frame.columns]
        candidates.append((self._turned, "sample"))
        barcodes = any(_BARCODE.match(name) for name in names)
        for characters in (None, 15, 12) if barcodes else (None,):
            keys = {_key(name, characters) for name in names}
            for frame, column in candidates:
                ids = {_key(str(cell), characters) for cell in frame[column].dropna()}
                if len(keys & ids) > best[0]:
                    best = (len(keys & ids), frame, column, characters)
            if best[0] == len(keys):
                break
        return best

    @cached_property
    def _turned(self) -> pd.DataFrame:
        """Only the headings, until they turn out to be the samples."""
        first, *headings = self.frame.columns
        turned = self.frame.set_index(first).T.set_axis(headings)
        turned.columns = [str(column) for column in turned.columns]
        return turned.rename_axis("sample").reset_index()


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
    match = table.match(samples)
    ids = match.frame[match.column].astype(str)
    chosen = match.frame.drop(columns=match.column).reindex(match.rows)
    chosen = chosen.apply(typed).set_axis(adata.obs_names)
    kept = adata.obs.drop(columns=chosen.columns, errors="ignore")
    adata.obs = pd.concat([kept, chosen], axis=1)
    missed = [sample for sample, row in zip(samples, match.rows, strict=True) if row < 0]
    unused = list(ids.drop(index=[row for row in set(match.rows) if row >= 0]))
    how = f"the first {match.characters} characters" if match.characters else "whole ids"
    notes = [
        f"{len(samples) - len(missed)} of {len(samples)} samples found in column "
        f"{match.column!r} of {table.name}, by {how}"
    ]
    if missed:
        notes.append(f"samples without a row there: {len(missed)} ({_some(missed)})")
    if unused:
        notes.append(f"rows there without a sample here: {len(unused)} ({_some(unused)})")
    return notes, {"samples_without_row": missed, "rows_without_sample": unused}


def typed(column: pd.Series) -> pd.Series:
    """Text as numbers or truth values if every recorded cell is one; else as it is."""
    known = column.dropna()
    if column.dtype != object or known.empty:
        return column
    cells = known.astype(str)
    if cells.map(is_number).all() and not cells.str.match(r"\s*[+-]?0\d").any():
        with suppress(ValueError):  # 1e999 stays text
            return pd.to_numeric(column)
    if len(known) == len(column) and cells.isin(["True", "False", "TRUE", "FALSE"]).all():
        return cells.str.upper() == "TRUE"
    return column


def _key(sample: str, characters: int | None) -> str:
    """A sample id, or the first characters of a TCGA barcode in its usual spelling."""
    if characters is None or not _BARCODE.match(sample):
        return sample
    return sample.upper().replace(".", "-")[:characters]


def _some(names: Sequence[str], shown: int = _SHOWN) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def _indexed(obs: pd.DataFrame) -> pd.DataFrame:
    """With the index as its first column, under a name that no other column has."""
    label = str(obs.index.name or "sample")
    while label in obs.columns:
        label += "_"
    return obs.rename_axis(index=label).reset_index()


def _text(source: Source) -> pd.DataFrame:
    raw = [line for block in source.blocks() for line in block.splitlines(keepends=True)]
    lines = [decoded(line) for line in raw[header_at(raw) :]]
    sep = max("\t,;", key=lambda sep: len(split(lines[0], sep))) if lines else "\t"
    rows = [row for row in csv.reader(lines, delimiter=sep) if any(row)]
    if len(rows) < 2:
        raise DataError(f"{source.name}: the sample table has no rows below its header")
    header = [cell.strip() for cell in rows[0]]
    if len(rows[1]) == len(header) + 1:
        header = ["sample", *header]
    for i, row in enumerate(rows[1:], 1):
        if len(row) != len(header):
            raise DataError(
                f"{source.name}: row {i} ({row[0]!r}) has {len(row)} fields where the header has "
                f"{len(header)}"
            )
    cells = [[cell.strip() for cell in row] for row in rows[1:]]
    frame = pd.DataFrame(cells, columns=_named(header), dtype=object)
    return frame.mask(frame.isin(UNRECORDED))


def _is_excel(source: Source) -> bool:
    return source.head.startswith(b"PK\x03\x04")


MOST_XML, MOST_CELLS = 1 << 28, 20_000_000
"""Bytes of a workbook when unpacked, and cells of its sheets: reading takes minutes beyond."""
_CELL = re.compile(rb"""\br\s*=\s*["']([A-Z]{0,3})(\d*)""")
"""Where a row or a cell says that it is."""


def _excel(source: Source) -> pd.DataFrame:
    _check_workbook(source)
    try:
        frame = pd.read_excel(source.path, dtype=object)
    except ImportError as error:
        raise DataError(
            f"{source.name}: reading Excel needs openpyxl: pip install 'tybalt-like[excel]', or "
            "save the table as tsv"
        ) from error
    except Exception as error:  # its parsers meet damage with almost any error
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{source.name}: not a sample table in Excel ({reason})") from error
    frame.columns = _named(map(str, frame.columns))
    return frame


def _check_workbook(source: Source) -> None:
    """Refuse a workbook that is small and whose sheets are not: a single cell far down or far to
    the right makes all before it."""
    source.check_archive(most=MOST_XML)
    with zipfile.ZipFile(source.path) as file:
        for name in file.namelist():
            if not name.startswith("xl/worksheets/") or not name.endswith(".xml"):
                continue
            try:
                sheet = file.read(name)
            except (BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
                raise DataError(f"{source.name}: {name} is damaged ({error})") from error
            if b"<!DOCTYPE" in sheet or b"\0" in sheet:
                raise DataError(f"{source.name}: {name} is no sheet that Excel writes")
            rows, columns = 1, 1
            for letters, digits in _CELL.findall(sheet):
                column = 0
                for letter in letters:
                    column = 26 * column + letter - ord("A") + 1
                rows, columns = max(rows, int(digits[:12] or 1)), max(columns, column)
            if rows * columns > MOST_CELLS:
                raise DataError(
                    f"{source.name}: {name} reaches to row {rows:,} and column {columns:,}; save "
                    "the table alone, as tsv"
                )


def _named(header: Iterable[str]) -> list[str]:
    return [cell or f"column_{i}" for i, cell in enumerate(header, 1)]


def _refuse_repeated(columns: Iterable[str], name: str) -> None:
    column, times = Counter(columns).most_common(1)[0]
    if times > 1:
        raise DataError(f"{name}: column {column!r} occurs {times} times; rename the others")
