"""Text in blocks of whole lines, of which the first can be looked at and taken one by one."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

BREAK = b"\r"
"""Stands for a line break within a quoted field; no other is left in blocks of `Source.blocks`."""

_LONGEST_FIELD = 100
_OPENS = re.compile(rb'(?:^|[\t,;])"(?:[^"]|"")*$')
_CLOSES = re.compile(rb'(?:[^"]|"")*"\s*(?:[\t,;]|$)')


class Lines:
    """A text, read once from start to end. A line goes on where a break lies within quotes.

    Parameters
    ----------
    blocks
        Whole lines, each ended by a newline, as `Source.blocks` gives them.

    Attributes
    ----------
    taken
        How many lines were taken, as an editor counts them.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = _records(blocks)
        self._ahead: deque[bytes] = deque()
        self.taken = 0

    def ahead(self, at_least: int) -> list[bytes]:
        """The next lines without taking them: so many, or more, or all that there are."""
        while len(self._ahead) < at_least and (block := next(self._blocks, None)) is not None:
            self._ahead.extend(block.removesuffix(b"\n").split(b"\n"))
        return list(self._ahead)

    def take(self, n: int) -> list[bytes]:
        """The next lines; fewer at the end of the text."""
        self.ahead(n)
        lines = [self._ahead.popleft() for _ in range(min(n, len(self._ahead)))]
        self.taken += sum(1 + line.count(BREAK) for line in lines)
        return lines

    def take_until(self, start: bytes) -> list[bytes] | None:
        """The lines before the one that begins with `start`, which is taken too; None if no line
        does."""
        lines: list[bytes] = []
        while line := self.take(1):
            if line[0].startswith(start):
                return lines
            lines += line
        return None

    def blocks(self) -> Iterator[bytes]:
        """What was not taken."""
        if self._ahead:
            yield b"".join(line + b"\n" for line in self._ahead)
            self._ahead.clear()
        yield from self._blocks


def _records(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same blocks with a `BREAK` in place of each line break within quotes."""
    rest = b""
    for block in blocks:
        if b'"' not in block and not rest:
            yield block
            continue
        whole, rest = _joined(rest + block)
        if whole:
            yield whole
    if rest:
        yield rest


def _joined(block: bytes) -> tuple[bytes, bytes]:
    """Whole records, and what begins in the last lines and may end in the next block.

    A quote that opens no field, or is not closed within a hundred lines, is a character.
    """
    data = np.frombuffer(block, np.uint8)
    end_l = np.flatnonzero(data == ord("\n"))
    start_l = np.append(0, end_l[:-1] + 1)
    quotes_l = np.diff(np.searchsorted(np.flatnonzero(data == ord('"')), end_l), prepend=0)
    odd = np.flatnonzero(quotes_l % 2).tolist()
    breaks: list[int] = []
    stop, i = len(block), 0
    while i < len(odd):
        first = odd[i]
        if not _OPENS.search(block[start_l[first] : end_l[first]]):
            i += 1
        elif i + 1 == len(odd):
            if len(end_l) - first <= _LONGEST_FIELD:
                stop = int(start_l[first])
            break
        else:
            last = odd[i + 1]
            closed = _CLOSES.match(block[start_l[last] : end_l[last]])
            if closed and last - first <= _LONGEST_FIELD:
                breaks += end_l[first:last].tolist()
                i += 1
            i += 1
    if not breaks:
        return block[:stop], block[stop:]
    whole = bytearray(block[:stop])
    for at in breaks:
        whole[at : at + 1] = BREAK
    return bytes(whole), block[stop:]
