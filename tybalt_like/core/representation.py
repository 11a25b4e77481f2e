"""What an object says of itself in a console and in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def as_text(name: str, facts: Mapping[str, object]) -> str:
    """``Name(fact: value, ...)``."""
    return f"{name}({', '.join(f'{fact}: {value}' for fact, value in facts.items())})"


def as_html(name: str, facts: Mapping[str, object]) -> str:
    """The same as a small table."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(fact)}</th>"
        f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
        for fact, value in facts.items()
    )
    return f"<table><caption><b>{escape(name)}</b></caption>{rows}</table>"
