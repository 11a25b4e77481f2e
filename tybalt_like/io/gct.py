"""GCT 1.2 and 1.3, of GenePattern, GTEx and the Connectivity Map (L1000)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Format
from tybalt_like.io.grid import Grid
from tybalt_like.io.layout import Layout, decoded
from tybalt_like.io.samples import UNRECORDED, typed
from tybalt_like.io.source import Source
from tybalt_like.io.table import read_body

MISSING_NUMBER = -666.0
"""How GCT writes a missing value, in the matrix and in the metadata."""


def _is_gct(source: Source) -> bool:
    return source.head.startswith((b"#1.2", b"#1.3"))


def _read(source: Source) -> Grid:
    lines, name = source.lines(), source.name
    version, sizes, *top = (decoded(line).rstrip("\t").split("\t") for line in lines.take(3))
    try:
        n_rows, n_columns, n_row_data, n_column_data = _sizes(version[0], sizes)
        (header,) = top
    except ValueError:
        raise DataError(
            f"{name}: lines 1 to 3 do not make the head of a GCT file: version, sizes, header"
        ) from None
    numbered = _is_numbered(header, 1 + n_row_data + n_columns)
    if numbered:
        n_row_data += 1
    if len(header) != 1 + n_row_data + n_columns:
        raise DataError(
            f"{name}: line 2 promises {n_row_data} + {n_columns} columns beside the row names, "
            f"line 3 names {len(header) - 1}; correct line 2"
        )
    first = 1 + n_row_data
    described = [decoded(line).split("\t") for line in lines.take(n_column_data)]
    layout = Layout("\t", header, skip=3 + n_column_data, texts=tuple(range(first)))
    grid = read_body(lines, layout, name)
    if len(grid.rows) != n_rows:
        raise DataError(
            f"{name}: line 2 promises {n_rows} rows and there are {len(grid.rows)}; the file "
            "seems cut short"
        )
    for row in described:
        if len(row) != len(header):
            raise DataError(
                f"{name}: the metadata row {row[0]!r} has {len(row)} fields, not {len(header)}"
            )
    if numbered:
        grid.rows, grid.corner = list(grid.row_data.pop(header[1])), header[1]
        grid.notes.append("rows are called by their Name, not by the running number before it")
    grid.row_data = grid.row_data.apply(known)
    grid.column_data = pd.DataFrame({row[0]: known(pd.Series(row[first:])) for row in described})
    grid.genes_in = "rows"
    grid.notes.append(f"GCT {version[0].lstrip('#')}")
    blank(grid)
    return grid


def _is_numbered(header: list[str], promised: int) -> bool:
    """GTEx' files of one tissue have a running number, ``id``, before Name and Description."""
    return len(header) == promised + 1 and [h.lower() for h in header[:2]] == ["id", "name"]


def _sizes(version: str, sizes: list[str]) -> tuple[int, int, int, int]:
    """Rows, columns, metadata columns and metadata rows; version 1.2 has one description."""
    numbers = tuple(map(int, sizes))
    n_rows, n_columns, *described = numbers if version == "#1.3" else (*numbers[:2], 1, 0)
    n_row_data, n_column_data = described
    return n_rows, n_columns, n_row_data, n_column_data


def known(cells: pd.Series) -> pd.Series:
    """Metadata with types, and NaN where nothing is known."""
    absent = (*UNRECORDED, "na", "-666", MISSING_NUMBER)
    return typed(cells.astype(object).mask(cells.isin(absent)))


def blank(grid: Grid) -> None:
    """Missing values as NaN, counted in a note."""
    n = 0
    for x in grid.blocks:
        absent = x == MISSING_NUMBER
        n += int(absent.sum())
        x[absent] = np.nan
    if n:
        grid.notes.append(f"missing values written as -666: {n}")


FORMAT = Format("GCT", _is_gct, _read)
