"""Numbers and lists as words of a text."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan


def percent(share: float) -> str:
    """``5 %``, with a space that does not break."""
    return f"{100 * share:.0f}\u00a0%"


def sentence(text: str) -> str:
    """With a capital at the start and a full stop at the end."""
    return f"{capital(text).rstrip('.')}." if text else ""


def capital(text: str) -> str:
    """With a capital at the start."""
    return text[:1].upper() + text[1:]


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def counted(n: int, noun: str = "sample") -> str:
    """``1 sample``, ``2,000 samples``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def number(value: float, digits: int = 3) -> str:
    """Significant digits; a dash for what is missing."""
    return "–" if isnan(value) else f"{value:.{digits}g}"
