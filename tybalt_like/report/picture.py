"""A figure of the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """One figure of the report.

    Attributes
    ----------
    name
        File name without suffix.
    alt
        What it shows, for those who cannot see it.
    caption
        How to read it.
    section
        The part of the report that it stands in.
    """

    name: str
    title: str
    alt: str
    caption: str
    draw: Callable[[], Figure]
    section: str = "figures"


def figure_of(ax: Axes) -> Figure:
    """The figure that holds some axes."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # pl draws on figures
    return figure
