"""One look for all figures, without touching the user's own settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from textwrap import wrap
from typing import ParamSpec, TypeVar

import matplotlib.pyplot as plt
from matplotlib import rc_context

P = ParamSpec("P")
T = TypeVar("T")

LOOK = rc_context(
    {
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.labelcolor": "#222222",
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "figure.constrained_layout.use": True,
        "figure.facecolor": "white",
        "font.family": ["DejaVu Sans"],
        "font.size": 9.5,
        "grid.color": "#E6E6E6",
        "grid.linewidth": 0.8,
        "legend.fontsize": 9,
        "legend.frameon": False,
        "savefig.dpi": 160,
        "svg.fonttype": "none",  # text stays text, to be edited in Inkscape or Illustrator
        "svg.hashsalt": "tybalt_like",  # the same figure gives the same bytes
        "text.parse_math": False,  # a "$" in a label is a "$"
    }
)


def theme(draw: Callable[P, T]) -> Callable[P, T]:
    """Decorator: draws with the look of tybalt_like."""
    inside = LOOK(draw)

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
        # The first figure loads the backend. Within the context, what it sets would be taken back:
        # notebooks would show the first figure and no other.
        plt.draw_if_interactive()  # type: ignore[no-untyped-call]
        return inside(*args, **kwargs)

    return drawn


def legible(text: str, *, width: int = 26, lines: int = 2) -> str:
    """A label as legend text: one that is long is broken into lines, then cut."""
    text = " ".join(text.split())
    if text.startswith("_"):  # matplotlib leaves these out of legends
        text = f" {text}"
    parts = wrap(text, width, drop_whitespace=False) or [text]
    shown = "\n".join(part.rstrip() for part in parts[:lines])
    return f"{shown}..." if len(parts) > lines else shown
