"""Synthetic cohorts beside real samples."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import styles
from tybalt_like.pl.theme import legible, theme

MARKERS = "osD^v"


@theme
def synthetic_measures(table: pd.DataFrame) -> Figure:
    """Every measure of every source as a point with its interval, beside the ideal value.

    Parameters
    ----------
    table
        ``fidelity`` or ``privacy`` of a `tl.judge_synthetic`, or both one below the other.

    Raises
    ------
    DataError
        If the table is empty.
    """
    if table.empty:
        raise DataError("there is no measure to draw")
    measures, sources = table["measure"].unique(), list(table["source"].unique())
    palette = styles(sources, first=sources)
    columns = 2 if len(measures) > 1 else 1
    rows = -(-len(measures) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(4.6 * columns, rows * (0.7 + 0.24 * len(sources))),
        squeeze=False,
        sharey=True,
    )
    places = {source: place for place, source in enumerate(sources)}
    for ax, measure in zip(axes.flat, measures, strict=False):
        of_measure = table[table["measure"] == measure]
        ideal = of_measure["ideal"].iloc[0]
        ax.axvline(ideal, color="#777777", lw=1.2, ls=":")
        for row in of_measure.itertuples(index=False):
            place, color = places[row.source], palette[row.source].color
            if np.isfinite(row.low):
                ax.hlines(place, row.low, row.high, color=color, lw=1.8)
            ax.scatter(row.value, place, s=36, color=color, marker=MARKERS[place % len(MARKERS)])
        ax.set_yticks(range(len(sources)), [legible(str(s), width=34, lines=1) for s in sources])
        ax.set_ylim(len(sources) - 0.5, -0.5)
        ax.grid(visible=False, axis="y")
        ax.set_xlabel(f"{measure} (dotted: ideal, {ideal:g})")
    for ax in axes.flat[len(measures) :]:
        ax.remove()
    return figure
