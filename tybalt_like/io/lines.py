"""Text in blocks of whole lines, of which the first can be looked at and taken one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator


class Lines:
    """A text, read once from start to end.

    Parameters
    ----------
    blocks
        Whole lines, each ended by a newline, as `Source.blocks` gives them.

    Attributes
    ----------
    taken
        How many lines were taken.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
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
        self.taken += len(lines)
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
