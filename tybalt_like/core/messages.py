"""Words that messages share."""

from __future__ import annotations

from collections.abc import Sequence


def some(names: Sequence[str], n: int = 5, *, joined: str = ", ") -> str:
    """The first few names, and dots if there are more."""
    return joined.join([*names[:n], "..."] if len(names) > n else names)
