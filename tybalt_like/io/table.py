"""tsv, csv and txt: any delimited table with one name per row and per column.

Reads what UCSC Xena, cBioPortal and LinkedOmics (.cct) offer, and R's write.table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from tybalt_like.errors import DataError
from tybalt_like.io.delimited import read_rows
from tybalt_like.io.grid import Grid
from tybalt_like.io.layout import MISSING, Layout, is_number
from tybalt_like.io.source import Source


def read_table(source: Source) -> Grid:
    """Read a delimited text in either orientation.

    Columns that hold text, and leading columns that describe genes, are kept beside the matrix.
    """
    layout, parts = read_rows(source.blocks(), name=source.name)
    texts: list[list[str]] = [[] for _ in layout.texts]
    blocks = []
    for part in parts:
        blocks.append(part.x)
        for column, cells in zip(texts, part.texts, strict=True):
            column.extend(cells)
    beside = {layout.header[i]: cells for i, cells in zip(layout.texts, texts, strict=True) if i}
    grid = Grid(
        blocks,
        rows=texts[0],
        columns=[layout.header[i] for i in layout.numbers],
        row_data=_described(beside, texts[0], source.name),
        corner=layout.header[0],
        notes=[f"text with {layout.sep_name} as separator"],
    )
    _name_rows(grid, source.name)
    _check(grid, layout, source.name)
    if len(grid.row_data.columns):
        kept = ", ".join(map(str, grid.row_data.columns))
        grid.notes.append(f"kept beside the matrix: {kept}")
    return grid


def _described(beside: dict[str, list[str]], rows: Sequence[str], name: str) -> pd.DataFrame:
    """Text columns as a table; an unnamed empty one is the trace of a separator at line ends."""
    for column, cells in list(beside.items()):
        filled = [(row, cell) for row, cell in zip(rows, cells, strict=True) if cell]
        if not column and filled:
            raise DataError(f"{name}: a column without a name holds {filled[0][1]!r}; name it")
        if not column:
            del beside[column]
            continue
        numbers = sum(is_number(cell) for _, cell in filled)
        texts = [(row, cell) for row, cell in filled if not is_number(cell)]
        if texts and numbers > len(texts):
            raise DataError(
                f"{name}: row {texts[0][0]!r}, column {column!r}: {texts[0][1]!r} is not a number "
                "like most of this column; correct it, or leave the cell empty if it is missing"
            )
    frame = pd.DataFrame(beside, dtype=object)
    return frame.mask(frame.isin(list(MISSING)))


def _name_rows(grid: Grid, name: str) -> None:
    """Where row names are only 0, 1, 2, ... or blank, take a better column for them."""
    running = grid.rows in ([str(i + k) for i in range(len(grid.rows))] for k in (0, 1))
    if running and not grid.corner.strip("Unnamed: 0"):
        for column in grid.row_data.columns:
            if grid.row_data[column].is_unique and grid.row_data[column].notna().all():
                grid.rows = list(grid.row_data.pop(column))
                grid.corner = column
                grid.notes.append(f"row names taken from column {column!r}")
                return
    blank = [i for i, row in enumerate(grid.rows) if row in MISSING]
    if blank and "Entrez_Gene_Id" in grid.row_data:
        for i in blank:
            grid.rows[i] = f"entrez:{grid.row_data['Entrez_Gene_Id'].iloc[i]}"
        grid.notes.append(f"{len(blank)} rows without a symbol are named by their Entrez id")
    elif blank:
        raise DataError(f"{name}: row {blank[0] + 1} below the header has no name; name it")


def _check(grid: Grid, layout: Layout, name: str) -> None:
    if not grid.columns:
        raise DataError(
            f"{name}: no column holds numbers (separator taken: {layout.sep_name}); "
            "is this a sample table?"
        )
    unnamed = [i for i, column in enumerate(grid.columns, 1) if not re.sub(r"\s", "", column)]
    if unnamed:
        raise DataError(f"{name}: column {unnamed[0]} of the matrix has no name; name it")
