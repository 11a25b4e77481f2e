"""The numbers of a delimited text: quickly where it is a plain rectangle, else cell by cell.

Wide tables cost a usual reader a fixed price per column and block. Here the body is turned into
one long column of numbers, which has one price per number, and blocks are parsed in parallel.
"""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.io.layout import MISSING_NUMBER, NUMBER, POINT, Layout, decoded, is_text, split
from tybalt_like.io.lines import BREAK, Lines

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_NEWLINE, _ZERO, _COMMA, _POINT = b"\n0,."
_QUOTED_OR_PLAIN = re.compile(rb'"[^"]*"|[^"]*')
_INFINITE = frozenset({"inf", "infinity"})
_ONE_COLUMN = pa_csv.ParseOptions(delimiter="\x1f", quote_char=False, ignore_empty_lines=False)
_AS_FLOAT = pa_csv.ConvertOptions(
    column_types={"x": pa.float32()}, null_values=sorted(MISSING_NUMBER)
)


@dataclass(frozen=True)
class Rows:
    """Some rows of a table: `texts` has one list of cells per text field of the layout, `missing`
    the cells that stand for a missing number."""

    texts: list[list[str]]
    x: Floats
    missing: Counter[str] = field(default_factory=Counter)


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
            line += block.count(b"\n") + block.count(BREAK)
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
            x, missing = _floats(body.tobytes())
            return Rows(texts, x.reshape(-1, 1 + width)[:, 1:], missing)
        except pa.ArrowInvalid:
            pass  # some cell is not a plain number
    lines = list(_numbered(block, first_line))
    texts, cells = _split_carefully(lines, layout, name)
    try:
        if layout.marks != POINT:
            raise pa.ArrowInvalid
        x, missing = _floats("".join(f"{cell}\n" for cell in cells).encode())
    except pa.ArrowInvalid:
        x, missing = _floats_by_cell(cells, texts[0], [i for i, _ in lines], layout, name)
    return Rows(texts, x.reshape(len(lines), width), missing)


def _numbered(block: bytes, first_line: int) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers as an editor counts them."""
    for line in block.split(b"\n"):
        if line.strip():
            yield first_line, line
        first_line += 1 + line.count(BREAK)


def _split_plainly(block: bytes, layout: Layout) -> tuple[list[list[str]], Bytes] | None:
    """Cells of the leading text fields, and the block as one column of numbers: a zero in place
    of the text fields of each row, a newline in place of each separator, and points for decimal
    commas. None if text fields are elsewhere, a number is quoted or has marks between thousands,
    or a row is not as long as the others."""
    sep, texts = layout.sep.encode(), [list[str]() for _ in layout.texts]
    if layout.texts != tuple(range(len(texts))) or layout.marks.thousands:
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
    if layout.marks != POINT:
        if (body == _POINT).any():
            return None
        body[body == _COMMA] = _POINT
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
            if len(cells) == 1:
                hint = "; if it is a note below the table, remove it"
            raise DataError(
                f"{name}: line {number} (row {cells[0]!r}) has {len(cells)} fields where the "
                f"header has {width} (separator: {layout.sep_name}){hint}"
            )
        if BREAK in line and any(cell.count(layout.sep) >= max(2, width - 1) for cell in cells):
            raise DataError(
                f"{name}: line {number} (row {cells[0]!r}): whole lines stand within quotes; a "
                "quote opens there that should not, or is not closed"
            )
        for column, i in zip(texts, layout.texts, strict=True):
            column.append(cells[i].strip())
        values.extend(cells[i] for i in numbers)
    return texts, values


def _doubled(cells: int, width: int, layout: Layout) -> bool:
    return layout.sep == "," and cells == 2 * width - 1


def _floats(body: bytes) -> tuple[Floats, Counter[str]]:
    """Numbers, one to a line, as float32, each correctly rounded; missing ones are NaN, and are
    counted by what stands there."""
    if not body:
        return np.empty(0, np.float32), Counter()
    reading = pa_csv.ReadOptions(column_names=["x"], use_threads=False, block_size=len(body))
    table = pa_csv.read_csv(
        pa.BufferReader(body),
        read_options=reading,
        parse_options=_ONE_COLUMN,
        convert_options=_AS_FLOAT,
    )
    x = table.column("x")
    missing = _missing(body, x.is_null().to_numpy()) if x.null_count else Counter[str]()
    return np.asarray(x.to_numpy(), np.float32), missing


def _missing(body: bytes, is_missing: NDArray[np.bool_]) -> Counter[str]:
    """What stands in the missing ones of numbers that stand one to a line."""
    end = np.flatnonzero(np.frombuffer(body, np.uint8) == _NEWLINE)
    if len(end) < len(is_missing):
        end = np.append(end, len(body))
    start = np.append(0, end[:-1] + 1)
    cells = zip(start[is_missing].tolist(), end[is_missing].tolist(), strict=True)
    return Counter({cell.decode(): n for cell, n in Counter(body[a:b] for a, b in cells).items()})


def _floats_by_cell(
    cells: Sequence[str], rows: Sequence[str], at: Sequence[int], layout: Layout, name: str
) -> tuple[Floats, Counter[str]]:
    """The same in Python, which accepts blanks and a plus sign, and names the cell it refuses."""
    numbers = layout.numbers
    x = np.empty(len(cells), np.float64)
    missing: Counter[str] = Counter()
    for k, cell in enumerate(cells):
        value = cell.strip()
        number = layout.marks.number(value)
        if number is not None:
            x[k] = number
        elif value in MISSING_NUMBER:
            x[k] = np.nan
            missing[value] += 1
        elif value.lower().lstrip("+-") in _INFINITE:
            x[k] = np.inf
        else:
            row, column = divmod(k, len(numbers))
            of_row = cells[row * len(numbers) : (row + 1) * len(numbers)]
            if of_row == [layout.header[i] for i in numbers]:
                raise DataError(
                    f"{name}: line {at[row]} is the header again; keep one table in the file"
                )
            if len(of_row) > 1 and all(map(is_text, of_row)):
                shown = ", ".join(of_row[:3])
                raise DataError(
                    f"{name}: line {at[row]}, row {rows[row]!r} holds texts ({shown}, ...) where "
                    "numbers belong; if it describes the samples, move it to a sample table"
                )
            raise DataError(
                f"{name}: line {at[row]}, row {rows[row]!r}, column "
                f"{layout.header[numbers[column]]!r}: {value!r} is not a number"
                f"{_hint(value, layout)}"
            )
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused later
        return x.astype(np.float32), missing


def _hint(value: str, layout: Layout) -> str:
    if layout.marks != POINT and "." in value:
        return f", for the file has {layout.marks}; write all in one way"
    comma = value.replace(",", "", 1)
    if comma != value and NUMBER.fullmatch(comma):
        return "; write decimals with a point and leave out commas"
    return "; correct it, or leave the cell empty if it is missing"
