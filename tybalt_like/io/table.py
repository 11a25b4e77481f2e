"""tsv, csv and txt: any delimited table with one name per row and per column.

Reads what UCSC Xena, cBioPortal and LinkedOmics (.cct) offer, and R's write.table.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from tybalt_like.core.errors import DataError
from tybalt_like.io.delimited import Floats, read_rows
from tybalt_like.io.grid import Grid
from tybalt_like.io.layout import (
    GENE_COLUMNS,
    MISSING,
    MISSING_NUMBER,
    POINT,
    UNNAMED,
    Layout,
    decoded,
    is_number,
    sniff,
)
from tybalt_like.io.lines import Lines
from tybalt_like.io.other_files import refuse_other, refuse_tested
from tybalt_like.io.source import Source

# Blocks so large that freeing one gives its memory back to the system (glibc maps none of its own
# below this), so that the finished matrix and its pieces are not both in memory.
_BLOCK_BYTES = 1 << 25


def read_table(source: Source) -> Grid:
    """Read a delimited text in either orientation.

    Columns that hold text, and leading columns that describe genes, are kept beside the matrix.
    """
    refuse_other(source)
    lines = source.lines()
    layout = sniff(lines, source.name)
    above = [line for line in lines.take(layout.skip)[:-1] if line.strip() and line[:1] != b"#"]
    grid = read_body(lines, layout, source.name)
    _check_texts(grid, source.name)
    _check_numbers(grid, layout, source.name)
    _name_rows(grid)
    grid.notes.insert(0, f"text with {layout.sep_name} as separator")
    if above:
        title = decoded(above[0]).strip(" \t,;")
        grid.notes.append(f"lines above the header, left out: {len(above)} ({title[:60]!r})")
    if layout.marks != POINT:
        grid.notes.append(f"{layout.marks}, as the first rows show")
    if len(grid.row_data.columns):
        grid.notes.append(f"kept beside the matrix: {', '.join(grid.row_data.columns)}")
    return grid


def read_body(lines: Lines, layout: Layout, name: str) -> Grid:
    """Read the rows below a header that was taken; the text fields become the rows' data."""
    texts: list[list[str]] = [[] for _ in layout.texts]
    blocks: list[Floats] = []
    pieces: list[Floats] = []
    missing: Counter[str] = Counter()
    for part in read_rows(lines, layout, name):
        pieces.append(part.x)
        missing += part.missing
        if sum(piece.nbytes for piece in pieces) > _BLOCK_BYTES:
            blocks.append(np.concatenate(pieces))
            pieces.clear()
        for column, cells in zip(texts, part.texts, strict=True):
            column.extend(cells)
    if pieces:
        blocks.append(np.concatenate(pieces))
    titles = [layout.header[i] for i in layout.texts[1:]]
    if twice := next((title for title in titles if titles.count(title) > 1), None):
        raise DataError(f"{name}: column {twice!r} occurs twice; rename one")
    beside = pd.DataFrame(dict(zip(titles, texts[1:], strict=True)), dtype=object)
    return Grid(
        blocks,
        rows=texts[0],
        columns=[layout.header[i] for i in layout.numbers],
        row_data=beside.mask(beside.isin(MISSING)),
        corner=layout.header[0],
        notes=[f"missing values: {missing.total():,} ({_shown(missing)})"] if missing else [],
    )


def _shown(missing: Counter[str]) -> str:
    shown = [f"{n:,} {cell}" if cell else f"{n:,} empty" for cell, n in missing.most_common(5)]
    return ", ".join(shown) + (", ..." if len(missing) > 5 else "")


def _check_texts(grid: Grid, name: str) -> None:
    """Columns taken for text by their first rows are text all the way down. An unnamed and empty
    one is the trace of a separator at the ends of the lines."""
    for column in grid.row_data.columns:
        cells = grid.row_data[column].dropna()
        if not column and len(cells):
            raise DataError(f"{name}: a column without a name holds {cells.iloc[0]!r}; name it")
        if not column:
            del grid.row_data[column]
        if column.lower() in GENE_COLUMNS:
            continue  # chromosomes are numbers but for X and Y
        cells = cells[~cells.isin(MISSING_NUMBER)]
        texts = cells[~cells.map(is_number).astype(bool)]
        if 0 < len(texts) < len(cells) / 2:
            raise DataError(
                f"{name}: row {grid.rows[texts.index[0]]!r}, column {column!r}: "
                f"{texts.iloc[0]!r} is not a number like most of this column; correct it, or "
                "leave the cell empty if it is missing"
            )


def _check_numbers(grid: Grid, layout: Layout, name: str) -> None:
    if not grid.columns:
        first = [repr(str(cell)) for cell in grid.row_data.iloc[0].dropna()[:3]]
        raise DataError(
            f"{name}: no column holds numbers; row {grid.rows[0]!r} begins {', '.join(first)} "
            f"({len(layout.header)} columns, separator taken: {layout.sep_name}); values must be "
            "plain numbers, and a sample table is given as the sample table (--obs)"
        )
    refuse_tested(grid.columns, name)
    unnamed = next((i for i, column in enumerate(grid.columns, 1) if not column.strip()), None)
    if unnamed and layout.sep == " ":
        raise DataError(f"{name}: several blanks between fields; separate them by tabs")
    if unnamed:
        raise DataError(f"{name}: column {unnamed} of the matrix has no name; name it")


def _name_rows(grid: Grid) -> None:
    """Where row names are only 0, 1, 2, ... or blank, take a better column for them."""
    running = grid.rows in ([str(i + k) for i in range(len(grid.rows))] for k in (0, 1))
    if running and grid.corner in ("", "Unnamed: 0"):
        for column in grid.row_data.columns:
            if grid.row_data[column].is_unique and grid.row_data[column].notna().all():
                grid.rows = list(grid.row_data.pop(column))
                grid.corner = column
                grid.notes.append(f"row names taken from column {column!r}")
                return
    blank = [i for i, row in enumerate(grid.rows) if row in UNNAMED]
    if blank and "Entrez_Gene_Id" in grid.row_data:
        for i in blank:
            grid.rows[i] = f"entrez:{grid.row_data['Entrez_Gene_Id'].iloc[i]}"
        grid.notes.append(f"rows without a symbol, named by their Entrez id: {len(blank)}")
