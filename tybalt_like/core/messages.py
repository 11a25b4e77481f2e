"""Words that messages share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def some(names: Sequence[str], n: int = 5, *, joined: str = ", ") -> str:
    """The first few names, and dots if there are more."""
    return joined.join([*names[:n], "..."] if len(names) > n else names)


def without_folders(texts: Iterable[str], paths: Iterable[str | Path]) -> list[str]:
    """Sentences in which these files are called by their names alone: what is kept, and handed on,
    does not tell where somebody works."""
    said = list(texts)
    for path in sorted({str(path) for path in paths} - {"", "."}, key=len, reverse=True):
        name = Path(path).name
        if name and name != path:
            said = [text.replace(path, name) for text in said]
    return said
