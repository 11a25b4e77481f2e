"""Rows that are computed together.

A matrix product of other heights differs in the last bits. Rows are therefore always taken in the
same blocks, counted from the first one of a file: whoever scores a part of it that begins with a
block gets what scoring all of it gives, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator

ROWS = 256
"""In a block, which bounds memory as well."""


def block_starts(n: int) -> list[int]:
    """First rows of the blocks of n rows. A last one of a single row joins the one before: numpy
    may sum a lone row in another order."""
    return [start for start in range(0, n, ROWS) if n - start > 1 or start == 0]


def blocks(n: int) -> Iterator[slice]:
    """All blocks of n rows."""
    starts = block_starts(n)
    for start, stop in zip(starts, [*starts[1:], n], strict=False):
        yield slice(start, stop)
