"""Parquet tables, in either orientation."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from tybalt_like.core.errors import DataError
from tybalt_like.core.memory import available
from tybalt_like.io.format import Format
from tybalt_like.io.grid import Grid
from tybalt_like.io.source import Source


def _is_parquet(source: Source) -> bool:
    return source.head.startswith(b"PAR1")


def _read(source: Source) -> Grid:
    import pyarrow as pa
    import pyarrow.parquet as pq

    promised = pq.read_metadata(source.path)
    n_bytes = 4 * promised.num_rows * promised.num_columns
    if n_bytes > available():
        raise DataError(
            f"{source.name}: {promised.num_rows:,} rows x {promised.num_columns:,} columns take "
            f"{n_bytes / 2**30:,.1f} GB of memory, which are not free; take a part of them"
        )
    table = pq.read_table(source.path)
    names = _row_names(table, source.name)
    beside, numbers = {}, []
    for column in table.column_names:
        kind = table.schema.field(column).type
        if column == names:
            continue
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            numbers.append(column)
        else:
            beside[column] = table.column(column).to_pandas().astype(object)
    x = np.empty((table.num_rows, len(numbers)), np.float32)
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused later
        for i, column in enumerate(numbers):
            x[:, i] = table.column(column).to_numpy()
    rows = table.column(names).cast(pa.string()).to_pylist()
    if None in rows:
        raise DataError(f"{source.name}: row {rows.index(None)} has no name in column {names!r}")
    return Grid(
        [x],
        rows=rows,
        columns=numbers,
        row_data=pd.DataFrame(beside),
        corner="" if names.startswith("__index") else names,
        notes=[f"kept beside the matrix: {', '.join(beside)}"] if beside else [],
    )


def _row_names(table: object, name: str) -> str:
    """The index that pandas wrote, or else the first column of text."""
    import pyarrow as pa

    assert isinstance(table, pa.Table)
    about = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
    for index in about.get("index_columns", []):
        if isinstance(index, str):
            return index
    for field in table.schema:
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            return str(field.name)
    raise DataError(f"{name}: no column of text that could name the rows")


FORMAT = Format("parquet", _is_parquet, _read)
