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
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import pandas as pd

from tybalt_like.core.errors import DataError
from tybalt_like.core.messages import some
from tybalt_like.io import matching
from tybalt_like.io.layout import MISSING, Marks, decoded, header_at, is_number, split
from tybalt_like.io.lines import BREAK
from tybalt_like.io.matching import Key, Match
from tybalt_like.io.source import Source

if TYPE_CHECKING:
    from anndata import AnnData

UNRECORDED = (*MISSING, "[Not Available]", "[Not Applicable]", "[Not Evaluated]", "'--", "--")
"""Cells of a sample table that say that nothing is known."""

_UNNAMED = re.compile(r"column_\d+|Unnamed: \d+|")


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

    def hits(
        self, names: Sequence[str], beside: pd.DataFrame | None = None, *, exactly: bool = True
    ) -> int:
        """How many of the names, or of the rows of what stands beside them, the table knows."""
        beside = pd.DataFrame() if beside is None else beside
        return matching.find(names, beside, self.keys, exactly=exactly).hits

    def match(self, samples: Sequence[str], beside: pd.DataFrame) -> Match:
        """Find the row of each sample.

        Parameters
        ----------
        samples
            Their names.
        beside
            What the matrix knows of them.

        Raises
        ------
        DataError
            If no sample is in the table, or it cannot be told which row is whose.
        """
        match = matching.find(samples, beside, self.keys)
        if match.clash is not None:
            raise DataError(f"{self.name}: {clash_of(match)}")
        if match.hits == 0:
            theirs = [str(cell) for cell in self.frame.iloc[:, 0].dropna()]
            near = "; ".join(matching.nearest(samples, self.keys))
            raise DataError(
                f"{self.name}: no sample of the matrix is in this table (matrix: "
                f"{some(samples, 3)}; first column: {some(theirs, 3)}); use the same ids"
                + (f"; are these the same: {near}?" if near else "")
            )
        _refuse_repeated(match.right.frame.columns, self.name)
        return match

    @cached_property
    def keys(self) -> list[Key]:
        """Where ids may stand: in any column, or in the headings."""
        says = self.frame.drop(columns=[c for c in self.frame if _is_running(self.frame[c])])
        rows, first_of = says.astype(str).itertuples(index=False, name=None), dict[object, int]()
        alike = [first_of.setdefault(row, i) for i, row in enumerate(rows)]
        first, *headings = self.frame.columns
        turned = self.frame.set_index(first).T.set_axis(headings)
        turned.columns = [str(column) for column in turned.columns]
        turned = _indexed(turned.rename_axis(columns=None))
        columns = [Key(self.frame, column, alike) for column in self.frame.columns]
        return [*columns, Key(turned, turned.columns[0], range(len(turned)))]


def clash_of(match: Match) -> str:
    """What is wrong with a match, in words."""
    assert match.clash is not None
    (*others, last), rows = match.clash
    frame, column = match.right.frame, match.right.column
    how = f", {match.spelling.words}" if match.spelling else ""
    numbers = " and ".join(str(row + 1) for row in rows)
    if others:
        names = f"{', '.join(map(repr, others))} and {last!r}"
        theirs = ", ".join(repr(str(frame[column].iloc[row])) for row in rows)
        return f"samples {names} would share row {numbers} ({theirs}){how}; tell them apart"
    ids = frame[column].iloc[rows].astype(str)
    if len(set(ids)) > 1:
        theirs = ", ".join(map(repr, ids))
        return f"sample {last!r} may be any of rows {numbers} ({theirs}){how}; use one spelling"
    cells = frame.iloc[rows].astype(str)
    differing = [name for name in cells if len(set(cells[name])) > 1]
    where = next((name for name in differing if not _is_running(frame[name])), differing[0])
    values = " and ".join(cells[where].unique()[:2])
    return (
        f"sample {last!r} has {len(rows)} rows in column {column!r} ({numbers} below the "
        f"header), which differ in {where!r} ({values}); keep one row for each sample"
    )


class Joined(NamedTuple):
    """How a sample table was joined.

    Attributes
    ----------
    notes
        In sentences.
    warnings
        What makes the join doubtful.
    record
        Names of the samples and rows that found none, and where ids were found.
    """

    notes: list[str]
    warnings: list[str]
    record: dict[str, Any]


def join(adata: AnnData, table: SampleTable) -> Joined:
    """Put the columns of a sample table into ``adata.obs``.

    Samples without a row keep missing values; rows without a sample are left out. Both are
    counted in the notes, and listed in full in the record. The column of ids is put in where it
    spells them in another way.

    Raises
    ------
    DataError
        If no sample is found in the table, or it cannot be told which row is whose.
    """
    samples = list(adata.obs_names)
    match = table.match(samples, adata.obs)
    frame, column = match.right.frame, match.right.column
    kept = frame if match.loose else frame.drop(columns=column)
    chosen = kept.reset_index(drop=True).reindex(match.rows).apply(typed)
    chosen = chosen.set_axis(adata.obs_names)
    both = [name for name in adata.obs if name in chosen]
    adata.obs = pd.concat([adata.obs.drop(columns=both), chosen], axis=1)
    missed = [sample for sample, row in zip(samples, match.rows, strict=True) if row < 0]
    times = Counter(row for row in match.rows if row >= 0)
    repeats = match.right.repeats
    ids = frame[column].astype(str).where(frame[column].notna(), "without an id")
    unused = [id for row, id in enumerate(ids) if row not in times and row not in repeats]
    shared = [ids.iloc[row] for row, n in times.items() if n > 1]
    found = f"{match.hits:,} of {len(samples):,} samples"
    name = Path(table.name).name
    notes = [f"{found} found {_where(match, name)}"]
    for said, names in (
        ("samples without a row there", missed),
        ("rows there without a sample here", unused),
        ("rows there that several samples have", shared),
        ("columns of the matrix that the table replaces", both),
    ):
        if names:
            notes.append(f"{said}: {len(names):,} ({some(names)})")
    if repeats:
        notes.append(f"rows there that repeat another one, left out: {len(repeats):,}")
    if match.refused is not None:
        notes.append(f"not done: {clash_of(match.refused)}")
    warnings = []
    if 2 * len(missed) > len(samples):
        warnings.append(
            f"Only {found} have a row in {name}; what it says of the others is missing."
        )
    record = {"joined": notes[0], "samples_without_row": missed, "rows_without_sample": unused}
    return Joined(notes, warnings, record)


def _where(match: Match, name: str) -> str:
    """Where the ids were found, and how they were compared."""
    beside = "" if match.left is None else f" through the matrix's own {match.left!r}"
    place = f"in column {match.right.column!r} of {name}{beside}"
    if not match.loose or match.spelling is None:
        return f"{place}, by whole ids"
    alike = ", ".join(f"{mine} = {theirs}" for mine, theirs in match.loose[:2])
    more = ", ..." if len(match.loose) > 2 else ""
    exact = match.hits - len(match.loose) if match.left is None else 0
    whole = f"{exact:,} by whole ids, {len(match.loose):,} " if exact else ""
    return f"{place}, {whole}{match.spelling.words} ({alike}{more})"


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


def _indexed(obs: pd.DataFrame) -> pd.DataFrame:
    """With the index as its first column, under a name that no other column has."""
    label = str(obs.index.name or "sample")
    while label in obs.columns:
        label += "_"
    return obs.rename_axis(index=label).reset_index()


def _text(source: Source) -> pd.DataFrame:
    raw = [line for block in source.lines().blocks() for line in block.split(b"\n")]
    lines = [decoded(line.replace(BREAK, b"\n")) for line in raw[header_at(raw) :]]
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
    frame = frame.mask(frame.isin(UNRECORDED))
    return frame if sep == "," else frame.apply(_with_points)


def _with_points(column: pd.Series) -> pd.Series:
    """Numbers with decimal commas as such with points, where all are numbers."""
    marks, known = Marks(","), column.dropna()
    if known.str.contains(",").any() and all(marks.number(cell) is not None for cell in known):
        return column.str.replace(",", ".")
    return column


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


def _is_running(column: pd.Series) -> bool:
    """Whether a column is the running number that pandas writes, which says nothing."""
    if _UNNAMED.fullmatch(str(column.name)) is None:
        return False
    return list(column.astype(str)) in ([str(i + k) for i in range(len(column))] for k in (0, 1))


def _refuse_repeated(columns: Iterable[str], name: str) -> None:
    column, times = Counter(columns).most_common(1)[0]
    if times > 1:
        raise DataError(f"{name}: column {column!r} occurs {times} times; rename the others")
