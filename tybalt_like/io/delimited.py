"""The numbers of a delimited text: quickly where it is a plain rectangle, else cell by cell.

Wide tables cost a usual reader a fixed price per column and block. Here the body is turned into
one long column of numbers, which has one price per number, and blocks are parsed in parallel.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tybalt_like.errors import DataError
from tybalt_like.io.layout import MISSING, NUMBER, Layout, decoded, split
from tybalt_like.io.lines import Lines

Floats = NDArray[np.float32]

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
    numbered = [(i, line) for i, line in enumerate(block.split(b"\n"), first_line) if line.strip()]
    lines, width = [line for _, line in numbered], len(layout.numbers)
    texts, body = _split_plainly(lines, layout) or _split_carefully(numbered, layout, name)
    shape = (len(lines), width)
    try:
        return Rows(texts, _floats(body).reshape(shape))
    except pa.ArrowInvalid:
        at = [i for i, _ in numbered]
        return Rows(texts, _floats_by_cell(body, texts[0], at, layout, name).reshape(shape))


def _split_plainly(lines: Sequence[bytes], layout: Layout) -> tuple[list[list[str]], bytes] | None:
    """Cells of the leading text fields, and the numbers one to a line; None if text fields are
    elsewhere, a number is quoted, or a row is not as long as the others."""
    sep, n_texts, width = layout.sep.encode(), len(layout.texts), len(layout.numbers)
    if layout.texts != tuple(range(n_texts)) or width == 0:
        return None
    texts: list[list[str]] = [[] for _ in layout.texts]
    bodies = []
    for line in lines:
        *cells, body = line.split(sep, n_texts)
        if len(cells) != n_texts or body.count(sep) != width - 1 or b'"' in body:
            return None
        for column, cell in zip(texts, cells, strict=True):
            if b'"' in cell and not (cell.count(b'"') == 2 and cell[:1] == cell[-1:] == b'"'):
                return None
            column.append(decoded(cell.strip(b'"')).strip())
        bodies.append(body)
    return texts, b"\n".join(bodies).replace(sep, b"\n") + b"\n"


def _split_carefully(
    numbered: Sequence[tuple[int, bytes]], layout: Layout, name: str
) -> tuple[list[list[str]], bytes]:
    """The same for any layout, with quotes; says which row is ragged."""
    width, numbers = len(layout.header), layout.numbers
    texts: list[list[str]] = [[] for _ in layout.texts]
    bodies: list[str] = []
    for number, line in numbered:
        cells = split(decoded(line), layout.sep)
        if len(cells) != width:
            hint = "; are these decimal commas?" if _doubled(len(cells), width, layout) else ""
            raise DataError(
                f"{name}: line {number} (row {cells[0]!r}) has {len(cells)} fields where the "
                f"header has {width} (separator: {layout.sep_name}){hint}"
            )
        for column, i in zip(texts, layout.texts, strict=True):
            column.append(cells[i].strip())
        bodies.extend(cells[i] for i in numbers)
    return texts, "".join(f"{cell}\n" for cell in bodies).encode()


def _doubled(cells: int, width: int, layout: Layout) -> bool:
    return layout.sep == "," and cells == 2 * width - 1


def _floats(body: bytes) -> Floats:
    """Numbers, one to a line, as float32, each correctly rounded; missing ones are NaN."""
    if not body:
        return np.empty(0, np.float32)
    reading = pa_csv.ReadOptions(column_names=["x"], use_threads=False, block_size=len(body))
    table = pa_csv.read_csv(
        pa.BufferReader(body),
        read_options=reading,
        parse_options=_ONE_COLUMN,
        convert_options=_AS_FLOAT,
    )
    return np.asarray(table.column("x").to_numpy(), np.float32)


def _floats_by_cell(
    body: bytes, rows: Sequence[str], at: Sequence[int], layout: Layout, name: str
) -> Floats:
    """The same in Python, which accepts blanks and a plus sign, and names the cell it refuses."""
    numbers = layout.numbers
    cells = body.decode().split("\n")[:-1]
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
