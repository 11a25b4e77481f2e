"""tsv, csv and txt: any delimited table with one name per row and per column.

Reads what UCSC Xena, cBioPortal and LinkedOmics (.cct) offer, and R's write.table.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tybalt_like.core.errors import DataError
from tybalt_like.io.delimited import Floats, read_rows
from tybalt_like.io.grid import Grid
from tybalt_like.io.layout import GENE_COLUMNS, MISSING, UNNAMED, Layout, is_number, sniff
from tybalt_like.io.lines import Lines
from tybalt_like.io.source import Source

_OTHERS = {
    b"PK\x03\x04": "this is a zip archive or an Excel workbook; save the table as tsv",
    b"RDX": "this is an R data file; write the matrix as tsv in R",
    b"X\n": "this is an R data file; write the matrix as tsv in R",
    b"%PDF": "this is a PDF; ask for the table as tsv",
    b"<!": "this is a web page, perhaps an error message of the server; download it again",
    b"<html": "this is a web page, perhaps an error message of the server; download it again",
}
# Blocks so large that freeing one gives its memory back to the system (glibc maps none of its own
# below this), so that the finished matrix and its pieces are not both in memory.
_BLOCK_BYTES = 1 << 25


def read_table(source: Source) -> Grid:
    """Read a delimited text in either orientation.

    Columns that hold text, and leading columns that describe genes, are kept beside the matrix.
    """
    for magic, advice in _OTHERS.items():
        if source.head.startswith(magic):
            raise DataError(f"{source.name}: {advice}")
    lines = source.lines()
    layout = sniff(lines, source.name)
    lines.take(layout.skip)
    grid = read_body(lines, layout, source.name)
    _check_texts(grid, source.name)
    _check_numbers(grid, layout, source.name)
    _name_rows(grid)
    grid.notes.append(f"text with {layout.sep_name} as separator")
    if len(grid.row_data.columns):
        grid.notes.append(f"kept beside the matrix: {', '.join(grid.row_data.columns)}")
    return grid


def read_body(lines: Lines, layout: Layout, name: str) -> Grid:
    """Read the rows below a header that was taken; the text fields become the rows' data."""
    texts: list[list[str]] = [[] for _ in layout.texts]
    blocks: list[Floats] = []
    pieces: list[Floats] = []
    for part in read_rows(lines, layout, name):
        pieces.append(part.x)
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
    )


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
        texts = cells[~cells.map(is_number).astype(bool)]
        if 0 < len(texts) < len(cells) / 2:
            raise DataError(
                f"{name}: row {grid.rows[texts.index[0]]!r}, column {column!r}: "
                f"{texts.iloc[0]!r} is not a number like most of this column; correct it, or "
                "leave the cell empty if it is missing"
            )


def _check_numbers(grid: Grid, layout: Layout, name: str) -> None:
    if not grid.columns:
        raise DataError(
            f"{name}: no column holds numbers ({len(layout.header)} columns, separator taken: "
            f"{layout.sep_name}); a sample table is given as the sample table (--obs), and the "
            "expression matrix as the data"
        )
    unnamed = next((i for i, column in enumerate(grid.columns, 1) if not column.strip()), None)
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
