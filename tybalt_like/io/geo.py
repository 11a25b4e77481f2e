"""GEO series matrix: ``*_series_matrix.txt.gz``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Format
from tybalt_like.io.grid import Grid
from tybalt_like.io.layout import Layout, decoded, split
from tybalt_like.io.lines import Lines
from tybalt_like.io.samples import UNRECORDED, typed
from tybalt_like.io.source import Source
from tybalt_like.io.table import read_body

_BEGIN, _END = b"!series_matrix_table_begin", b"!series_matrix_table_end"


def _is_series_matrix(source: Source) -> bool:
    return source.head.startswith(b"!Series_")


def _read(source: Source) -> Grid:
    lines, name = source.lines(), source.name
    about = lines.take_until(_BEGIN)
    if about is None:
        raise DataError(f"{name}: a GEO series matrix without a table; download it again")
    fields = [split(decoded(line), "\t") for line in about if line.strip()]
    header = split(decoded(b"".join(lines.take(1))), "\t")
    body = Lines(_before_end(lines, name))
    body.taken = lines.taken
    if not body.ahead(1):
        raise DataError(
            f"{name}: this series matrix has no values, as is usual for sequencing; read the "
            "counts among the supplementary files of the series"
        )
    grid = read_body(body, Layout("\t", header, skip=lines.taken), name)
    grid.genes_in = "rows"
    grid.column_data = _samples(fields, len(header) - 1, name)
    series = {row[0]: row[1] for row in fields if len(row) > 1}
    known = [series.get(f"!Series_{key}", "") for key in ("geo_accession", "title")]
    grid.notes.append(f"GEO series {known[0]}: {known[1]}")
    return grid


def _before_end(lines: Lines, name: str) -> Iterator[bytes]:
    for block in lines.blocks():
        end = block.find(_END)
        if end >= 0:
            if end:
                yield block[:end]
            return
        yield block
    raise DataError(f"{name}: the end of the table is missing; download it again")


def _samples(fields: Sequence[Sequence[str]], n: int, name: str) -> pd.DataFrame:
    """``!Sample_`` lines as columns; characteristics under their own keys, cell by cell, because
    GEO leaves out what a sample lacks and moves the rest up."""
    columns: dict[str, list[str]] = {}
    for key, *cells in fields:
        if not key.startswith("!Sample_"):
            continue
        if len(cells) != n:
            raise DataError(f"{name}: {key} has {len(cells)} values for {n} samples")
        column = key.removeprefix("!Sample_")
        for i, cell in enumerate(cells):
            own, colon, value = cell.partition(": ")
            keyed = column.startswith("characteristics") and colon
            target = columns.setdefault(own.strip() if keyed else column, [""] * n)
            text = value.strip() if keyed else cell.strip()
            target[i] = "; ".join(filter(None, (target[i], text)))
    frame = pd.DataFrame(columns, dtype=object)
    return frame.mask(frame.isin(UNRECORDED)).dropna(axis="columns", how="all").apply(typed)


FORMAT = Format("GEO series matrix", _is_series_matrix, _read)
