"""Names beside points of a scatter plot."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike

from tybalt_like.pl.theme import legible

AWAY = 5.5
"""From a point to its name, in points (1/72 inch)."""
TURN = 0.6
"""Names are left of points that lie further right on the axis than this."""


def name_points(ax: Axes, names: Iterable[object], x: ArrayLike, y: ArrayLike) -> None:
    """Write names beside points; where two would touch, the lower one moves down or,
    where the axes end, up.

    Limits and scales of the axes are to be set before.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    if layout := figure.get_layout_engine():
        layout.execute(figure)  # else the axes are not yet as wide as they will be
    at = np.column_stack([np.asarray(x), np.asarray(y)])
    pixels = ax.transData.transform(at)
    left = ax.transAxes.inverted().transform(pixels)[:, 0] > TURN
    texts, per_point = list(names), figure.dpi / 72
    taken: list[Bbox] = []
    for i in np.argsort(-pixels[:, 1], kind="stable"):
        name = ax.annotate(
            legible(str(texts[i]), width=18, lines=1),
            at[i],
            (-AWAY if left[i] else AWAY, 0),
            textcoords="offset points",
            ha="right" if left[i] else "left",
            va="center",
            fontsize=8,
        )
        own = name.get_window_extent()
        box = _beside(own, taken, up=False)
        if box.y0 < ax.bbox.y0:
            box = _beside(own, taken, up=True)
        name.set_position((name.get_position()[0], (box.y0 - own.y0) / per_point))
        taken.append(box)


def _beside(box: Bbox, taken: list[Bbox], *, up: bool) -> Bbox:
    """The box, moved until it touches no other."""
    for other in sorted(taken, key=lambda placed: placed.y0 if up else -placed.y1):
        if box.overlaps(other):
            box = box.translated(0, other.y1 - box.y0 + 1 if up else other.y0 - box.y1 - 1)
    return box
