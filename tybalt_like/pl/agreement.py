"""Scores of several runs against each other."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from tybalt_like.pl.names import name_points
from tybalt_like.pl.palette import DOWN, MISSING, UP
from tybalt_like.pl.theme import legible, theme

PANELS = 6
NAMED = 5
"""Samples furthest from the line that are named in each panel."""


@theme
def rank_agreement(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Ranks in the first run against those in each of the others, on logarithmic axes.

    Parameters
    ----------
    table
        A row per sample and run: ``sample, run, rank, called``.
    titles
        Of the runs, the first before the others; of more than `PANELS` others, the first are drawn.
    """
    rank = table.pivot_table(index="sample", columns="run", values="rank")
    called = table.pivot_table(index="sample", columns="run", values="called") > 0
    first, *others = titles
    others = others[:PANELS]
    columns = min(3, len(others))
    rows = -(-len(others) // columns)
    size = (4.6 * columns + 0.4, 4.9 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for other, ax in zip(others, axes.flat, strict=False):
        _panel(ax, rank[first], rank[other], called[first], called[other])
        ax.set(xlabel=f"rank, {legible(titles[first], width=44)}")
        ax.set(ylabel=f"rank, {legible(titles[other], width=44)}")
    for ax in axes.flat[len(others) :]:
        ax.axis("off")
    return figure


def _panel(
    ax: Axes, x_n: pd.Series, y_n: pd.Series, called_x: pd.Series, called_y: pd.Series
) -> None:
    groups = {
        "called by neither": (~called_x & ~called_y, MISSING.color, "o"),
        "by both": (called_x & called_y, "#444444", "o"),
        "only by the one below": (called_x & ~called_y, DOWN, "^"),
        "only by the one at the left": (~called_x & called_y, UP, "s"),
    }
    for name, (of_group, color, marker) in groups.items():
        label = f"{name} ({int(of_group.sum()):,})"
        ax.scatter(
            x_n[of_group],
            y_n[of_group],
            s=16,
            c=color,
            marker=marker,
            alpha=0.8,
            linewidths=0,
            label=label,
            rasterized=True,
        )
    last = float(max(x_n.max(), y_n.max()))
    ax.plot([1, last], [1, last], color="#999999", lw=0.8, zorder=0)
    ax.set(xscale="log", yscale="log", box_aspect=1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_formatter(NullFormatter())
    apart = (np.log2(x_n) - np.log2(y_n)).abs().nlargest(NAMED)
    named = apart.index[apart > 1]
    name_points(ax, named, x_n[named], y_n[named])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, handletextpad=0.1)
