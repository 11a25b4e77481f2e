"""MatrixMarket files, checked number by number while they are read.

scipy's reader trusts the size line, and takes ``1x2`` for 1 and, among whole numbers, ``3.7`` for
3. Here every line is an entry, or the file is refused and the line named. The format: Boisvert,
Pozo & Remington, The Matrix Market Exchange Formats, NISTIR 5935 (1996).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray
from scipy import sparse

from tybalt_like.core.errors import DataError
from tybalt_like.io.lines import Lines
from tybalt_like.io.source import Source

_VALUES = {
    "integer": (pa.int64(), rb"[+-]?\d{1,18}"),
    "real": (pa.float64(), rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?i:nan)"),
    "pattern": (None, rb""),
}
"""What each kind of entry is to Arrow, and how it is written."""
_PLAIN = b"0123456789 \n.eE+-"
"""Bytes of numbers that Arrow reads as they are meant; it would take 0x12 for 18."""
_BLANKS = re.compile(rb"[ \t]+")
_SIZES = re.compile(rb"\s*\d{1,15}(?:\s+\d{1,15}){1,2}\s*")
_LAYOUT = pa_csv.ParseOptions(delimiter=" ", quote_char=False)


def read_matrix_market(source: Source, *, shape: tuple[int, int]) -> sparse.coo_matrix:
    """Read a matrix of real or whole numbers, sparse or dense, in float32.

    Parameters
    ----------
    shape
        Rows and columns that it must have; nothing is read if its size line says otherwise, and
        nothing is set aside for entries that it only promises.

    Raises
    ------
    DataError
        If it is damaged or of another shape, or holds complex numbers or a half of a symmetric
        matrix.
    """
    lines, name = source.lines(), source.name
    layout, field = _kind(lines, name)
    sizes = _sizes(lines, name, 3 if layout == "coordinate" else 2)
    if tuple(sizes[:2]) != shape:
        raise DataError(
            f"{name}: {sizes[0]:,} x {sizes[1]:,} does not fit {shape[0]:,} features and "
            f"{shape[1]:,} barcodes"
        )
    promised = sizes[2] if layout == "coordinate" else shape[0] * shape[1]
    at, blocks = lines.taken + 1, list[list[NDArray[Any]]]()
    for block in lines.blocks():
        if block.strip():
            blocks.append(_entries(block, layout, field, at, name))
        at += block.count(b"\n")
    found = sum(len(block[-1]) for block in blocks)
    if found != promised:
        how = "it ends early" if found < promised else "it is too long"
        raise DataError(
            f"{name}: {found:,} entries where the size line promises {promised:,}; {how}, copy it "
            "again"
        )
    columns = [np.concatenate(column) for column in zip(*blocks, strict=True)]
    if layout == "array":
        return sparse.coo_matrix(columns[0].astype(np.float32).reshape(shape, order="F"))
    row_e, column_e, value_e = columns or [np.empty(0, np.int32)] * 3
    for what, index_e, size in zip(("row", "column"), (row_e, column_e), shape, strict=True):
        outside = np.flatnonzero((index_e < 1) | (index_e > size))
        if len(outside):
            raise DataError(
                f"{name}: entry {outside[0] + 1:,} is in {what} {index_e[outside[0]]:,} of {size:,}"
            )
    return sparse.coo_matrix((value_e, (row_e - 1, column_e - 1)), shape=shape)


def _kind(lines: Lines, name: str) -> tuple[str, str]:
    """How the entries are laid out, and what they are."""
    first = (lines.take(1) or [b""])[0]
    words = first[:100].decode("ascii", "replace").lower().split()
    if len(words) != 5 or words[:2] != ["%%matrixmarket", "matrix"]:
        raise DataError(f"{name}, line 1: no heading of a MatrixMarket matrix; copy it again")
    _, _, layout, field, symmetry = words
    known = layout in ("coordinate", "array") and field in _VALUES and symmetry == "general"
    if not known or (layout, field) == ("array", "pattern"):
        raise DataError(
            f"{name}: a {symmetry} {layout} matrix of {field} entries; write a general one of "
            "integer or real numbers"
        )
    return layout, field


def _sizes(lines: Lines, name: str, n: int) -> list[int]:
    """The first line that is no comment."""
    while line := lines.take(1):
        if line[0].startswith(b"%") or not line[0].strip():
            continue
        sizes = line[0].split()
        if not _SIZES.fullmatch(line[0]) or len(sizes) != n:
            raise DataError(f"{name}, line {lines.taken}: {_shown(line[0])} is not {n} sizes")
        return [int(size) for size in sizes]
    raise DataError(f"{name}: it ends before its sizes; copy it again")


def _entries(
    block: bytes, layout: str, field: str, first_line: int, name: str
) -> list[NDArray[Any]]:
    """Rows, columns and values of some lines; values alone of a dense matrix."""
    kind, pattern = _VALUES[field]
    types = {"row": pa.int32(), "column": pa.int32()} if layout == "coordinate" else {}
    if kind is not None:
        types["value"] = kind
    if b"  " in block or b"\t" in block or b" \n" in block or block.startswith(b" "):
        block = b"\n".join(line.strip() for line in _BLANKS.sub(b" ", block).split(b"\n"))
    columns = None if block.translate(None, _PLAIN) else _quickly(block, types)
    if columns is None:
        columns = _carefully(block, types, pattern, first_line, name)
    if field == "pattern":
        columns.append(np.ones(len(columns[0]), np.float32))
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused later
        return [*columns[:-1], columns[-1].astype(np.float32)]


def _quickly(block: bytes, types: dict[str, Any]) -> list[NDArray[Any]] | None:
    """None if some line is not so many plain numbers."""
    reading = pa_csv.ReadOptions(
        column_names=list(types), use_threads=False, block_size=len(block) + 1
    )
    converting = pa_csv.ConvertOptions(column_types=types, null_values=[])
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(block),
            read_options=reading,
            parse_options=_LAYOUT,
            convert_options=converting,
        )
    except pa.ArrowInvalid:
        return None
    return [column.to_numpy() for column in table.columns]


def _carefully(
    block: bytes, types: dict[str, Any], pattern: bytes, first_line: int, name: str
) -> list[NDArray[Any]]:
    """Line by line: with plus signs and values that are no number, and says which line is none."""
    fields = [rb"\d{1,9}"] * ("row" in types) * 2 + [b"(?:" + pattern + b")"] * ("value" in types)
    entry = re.compile(b" ".join(fields))
    rows = []
    for number, line in enumerate(block.split(b"\n"), first_line):
        if not line:
            continue
        if not entry.fullmatch(line):
            what = "number" if len(fields) == 1 else "entry"
            raise DataError(f"{name}, line {number}: {_shown(line)} is no {what}; copy it again")
        rows.append(line.split())
    if not rows:
        return [np.empty(0, kind.to_pandas_dtype()) for kind in types.values()]
    return [
        np.array([float(cell) for cell in cells]).astype(kind.to_pandas_dtype())
        for cells, kind in zip(zip(*rows, strict=True), types.values(), strict=True)
    ]


def _shown(line: bytes) -> str:
    """A line for a message."""
    text = line[:40].decode("utf-8", "replace")
    return repr(text + "..." if len(line) > 40 else text)
