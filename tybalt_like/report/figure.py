"""A figure of a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Figure:
    """What is drawn, and what is said of it.

    Attributes
    ----------
    name
        File name without suffix.
    alt
        What it shows, for those who cannot see it.
    caption
        How to read it.
    """

    name: str
    title: str
    alt: str
    caption: str
    draw: Callable[[], Drawing]


def drawing_of(ax: Axes) -> Drawing:
    """The drawing that holds some axes."""
    drawing = ax.get_figure(root=True)
    assert drawing is not None  # pl draws on figures
    return drawing
