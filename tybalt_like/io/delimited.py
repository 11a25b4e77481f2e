"""The numbers of a delimited text: quickly where it is a plain rectangle, else cell by cell.

Wide tables cost a usual reader a fixed price per column and block. Here the body is turned into
one long column of numbers, which has one price per number, and blocks are parsed in parallel.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.io.layout import MISSING, NUMBER, Layout, decoded, split
from tybalt_like.io.lines import Lines

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_NEWLINE, _ZERO = b"\n0"
_QUOTED_OR_PLAIN = re.compile(rb'"[^"]*"|[^"]*')
_INFINITE = frozenset({"inf", "infinity"})
_ONE_COLUMN = pa_csv.ParseOptions(delimiter="\x1f", quote_char=False, ignore_empty_lines=False)
_AS_FLOAT = pa_csv.ConvertOptions(column_types={"x": pa.float32()}, null_values=list(MISSING))


@dataclass(frozen=True)
class Rows:
    """Some rows of a table: `texts` has one list of cells per text field of the layout."""

    texts: list[list[str]]
    x: Floats


def read_rows(lines: Lines, layout: Layout, name: str) -> Iterator[Rows]:
    """Read the rows of a table in pieces, in their order.

    Parameters
    ----------
    lines
        Whose header was taken.
    layout
        How rows are to be read.
    name
        Of the file, for messages.

    Raises
    ------
    DataError
        If a row is ragged or a cell is not a number: file, line, row and column are named.
    """
    workers = min(4, os.cpu_count() or 1)
    waiting: deque[Future[Rows]] = deque()
    line = lines.taken + 1
    with ThreadPoolExecutor(workers) as pool:
        for block in lines.blocks():
            waiting.append(pool.submit(_parse, block, line, layout, name))
            line += block.count(b"\n")
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    pa.default_memory_pool().release_unused()


def _parse(block: bytes, first_line: int, layout: Layout, name: str) -> Rows:
    width = len(layout.numbers)
    plain = _split_plainly(block, layout)
    if plain is not None:
        texts, body = plain
        try:
            return Rows(texts, _floats(pa.py_buffer(body)).reshape(-1, 1 + width)[:, 1:])
        except pa.ArrowInvalid:
            pass  # some cell is not a plain number
    lines = [(i, line) for i, line in enumerate(block.split(b"\n"), first_line) if line.strip()]
    texts, cells = _split_carefully(lines, layout, name)
    try:
        x = _floats(pa.py_buffer("".join(f"{cell}\n" for cell in cells).encode()))
    except pa.ArrowInvalid:
        x = _floats_by_cell(cells, texts[0], [i for i, _ in lines], layout, name)
    return Rows(texts, x.reshape(len(lines), width))


def _split_plainly(block: bytes, layout: Layout) -> tuple[list[list[str]], Bytes] | None:
    """Cells of the leading text fields, and the block as one column of numbers: a zero in place
    of the text fields of each row, and a newline in place of each separator. None if text fields
    are elsewhere, a number is quoted, or a row is not as long as the others."""
    sep, texts = layout.sep.encode(), [list[str]() for _ in layout.texts]
    if layout.texts != tuple(range(len(texts))):
        return None
    data = np.frombuffer(block, np.uint8)
    body, is_sep, width, start, quotes = data.copy(), data == sep[0], len(layout.numbers), 0, 0
    for end in np.flatnonzero(data == _NEWLINE).tolist():
        at = start
        for column in texts:
            stop = block.find(sep, at, end)
            cell = block[at:stop]
            if stop < 0 or not _QUOTED_OR_PLAIN.fullmatch(cell):
                return None
            quotes += cell.count(b'"')
            column.append(decoded(cell.strip(b'"')).strip())
            at = stop + 1
        if np.count_nonzero(is_sep[at:end]) != width - 1:
            return None
        body[start : at - 1] = _ZERO
        is_sep[start : at - 1] = False
        start = end + 1
    if block.count(b'"') != quotes:
        return None
    body += is_sep * np.uint8((_NEWLINE - sep[0]) % 256)
    return texts, body


def _split_carefully(
    lines: Sequence[tuple[int, bytes]], layout: Layout, name: str
) -> tuple[list[list[str]], list[str]]:
    """Cells of the text fields and of the numbers, for any layout, with quotes; says which row
    is ragged."""
    width, numbers = len(layout.header), layout.numbers
    texts: list[list[str]] = [[] for _ in layout.texts]
    values: list[str] = []
    for number, line in lines:
        cells = split(decoded(line), layout.sep)
        if len(cells) != width:
            hint = "; are these decimal commas?" if _doubled(len(cells), width, layout) else ""
            raise DataError(
                f"{name}: line {number} (row {cells[0]!r}) has {len(cells)} fields where the "
                f"header has {width} (separator: {layout.sep_name}){hint}"
            )
        for column, i in zip(texts, layout.texts, strict=True):
            column.append(cells[i].strip())
        values.extend(cells[i] for i in numbers)
    return texts, values


def _doubled(cells: int, width: int, layout: Layout) -> bool:
    return layout.sep == "," and cells == 2 * width - 1


def _floats(body: pa.Buffer) -> Floats:
    """Numbers, one to a line, as float32, each correctly rounded; missing ones are NaN."""
    if body.size == 0:
        return np.empty(0, np.float32)
    reading = pa_csv.ReadOptions(column_names=["x"], use_threads=False, block_size=body.size)
    table = pa_csv.read_csv(
        pa.BufferReader(body),
        read_options=reading,
        parse_options=_ONE_COLUMN,
        convert_options=_AS_FLOAT,
    )
    return np.asarray(table.column("x").to_numpy(), np.float32)


def _floats_by_cell(
    cells: Sequence[str], rows: Sequence[str], at: Sequence[int], layout: Layout, name: str
) -> Floats:
    """The same in Python, which accepts blanks and a plus sign, and names the cell it refuses."""
    numbers = layout.numbers
    x = np.empty(len(cells), np.float64)
    for k, cell in enumerate(cells):
        value = cell.strip()
        if NUMBER.fullmatch(value):
            x[k] = float(value)
        elif value in MISSING:
            x[k] = np.nan
        elif value.lower().lstrip("+-") in _INFINITE:
            x[k] = np.inf
        else:
            row, column = divmod(k, len(numbers))
            raise DataError(
                f"{name}: line {at[row]}, row {rows[row]!r}, column "
                f"{layout.header[numbers[column]]!r}: {value!r} is not a number{_hint(value)}"
            )
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused later
        return x.astype(np.float32)


def _hint(value: str) -> str:
    comma = value.replace(",", "", 1)
    if comma != value and NUMBER.fullmatch(comma):
        return "; write decimals with a point and leave out commas"
    return "; correct it, or leave the cell empty if it is missing"
