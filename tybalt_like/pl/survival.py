"""Survival: curves with the numbers at risk, and hazard ratios with their intervals."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pl.theme import legible, theme

COLORS = {"low": "#0072B2", "middle": "#999999", "high": "#D55E00"}
"""Of groups that were cut by a value."""
RATIOS = (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10)
"""Ticks of their axis."""
MOST = 25
"""Features that are drawn, at most: those with the smallest p-values."""


@theme
def kaplan_meier(
    curves: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    variable: str,
    unit: str = "",
    title: str | None = None,
) -> Figure:
    """Kaplan-Meier curves of the groups of one variable, with 95 % intervals, marks where samples
    were censored, and the numbers at risk below.

    Parameters
    ----------
    curves, groups
        Of `interpretation.kaplan_meier` or `tl.survival`.
    variable
        Which of their variables.
    unit
        Of the times.

    Raises
    ------
    DataError
        If the variable has no curves.
    """
    rows = curves[curves["variable"] == variable]
    if rows.empty:
        raise DataError(f"there are no survival curves of {variable!r}")
    about = groups[groups["variable"] == variable].set_index("group")
    names = list(about.index)
    figure, (ax, below) = plt.subplots(
        2,
        1,
        figsize=(5.6, 4.2 + 0.2 * len(names)),
        height_ratios=(10, 0.9 * len(names)),
        sharex=True,
    )
    for name in names:
        _draw_curve(ax, rows[rows["group"] == name], name, about.loc[name])
    p_value = float(about["p_value"].iloc[0])
    ax.set(ylim=(-0.02, 1.02), ylabel="share without the event", title=title or variable)
    if np.isfinite(p_value):
        ax.text(*(0.02, 0.03), f"log-rank p = {p_value:.2g}", transform=ax.transAxes, va="bottom")
    ax.legend(loc="upper right")
    ax.set_xlim(0, rows["time"].max())
    ticks = [tick for tick in ax.get_xticks() if 0 <= tick <= rows["time"].max()]
    for place, name in enumerate(names):
        at_risk = _at_risk(rows[rows["group"] == name], np.array(ticks))
        for tick, number in zip(ticks, at_risk.tolist(), strict=True):
            below.text(tick, -place, str(number), ha="center", va="center", color=COLORS[name])
    below.set(ylim=(-len(names) + 0.4, 0.6), yticks=-np.arange(len(names)))
    below.set_yticklabels(names)
    below.set_xlabel(f"{unit or 'time'}; numbers at risk above")
    below.grid(visible=False)
    below.spines[:].set_visible(False)
    below.tick_params(length=0)
    below.tick_params(axis="y", pad=16)
    return figure


def _draw_curve(ax: Axes, rows: pd.DataFrame, name: str, about: pd.Series) -> None:
    time, survival = rows["time"].to_numpy(), rows["survival"].to_numpy()
    color = COLORS[name]
    label = f"{name}: {about['events']} events in {about['n']}"
    ax.step(time, survival, where="post", color=color, lw=1.8, label=label)
    ax.fill_between(time, rows["lower"], rows["upper"], step="post", color=color, alpha=0.13, lw=0)
    gone = (rows["censored"] > 0).to_numpy()
    ax.plot(time[gone], survival[gone], ls="none", marker="|", ms=5, mew=0.9, color=color)


def _at_risk(rows: pd.DataFrame, ticks: NDArray[np.float64]) -> NDArray[np.intp]:
    """Samples whose time is that of a tick or later."""
    place = np.searchsorted(rows["time"].to_numpy(), ticks, side="left")
    return np.append(rows["at_risk"].to_numpy(), 0)[place]


@theme
def hazard_ratios(hazards: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Forest of hazard ratios per standard deviation with 95 % intervals, smallest p-value on top;
    filled where q is at most 0.05.

    Parameters
    ----------
    hazards
        Of `interpretation.hazard_ratios` or `tl.survival`; the 25 smallest p-values are drawn.

    Raises
    ------
    DataError
        If no variable has a ratio.
    """
    rows = hazards[hazards["p_value"].notna()].nsmallest(MOST, "p_value").iloc[::-1]
    if rows.empty:
        raise DataError("no variable has a hazard ratio")
    if ax is None:
        ax = plt.subplots(figsize=(5.6, 1.2 + 0.24 * len(rows)))[1]
    y = np.arange(len(rows))
    colors = [COLORS["high" if ratio > 1 else "low"] for ratio in rows["hazard_ratio"]]
    sure = rows["q_value"] <= 0.05
    fills = [color if is_sure else "white" for color, is_sure in zip(colors, sure, strict=True)]
    ax.hlines(y, rows["lower"], rows["upper"], colors=colors, lw=1.4)
    ax.scatter(rows["hazard_ratio"], y, c=fills, edgecolors=colors, s=34, zorder=3)
    ax.axvline(1, color="#999999", lw=1)
    ax.set_xscale("log")
    low, high = rows["lower"].min(), rows["upper"].max()
    ticks = [tick for tick in RATIOS if tick == 1 or low * 0.95 <= tick <= high * 1.05]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_yticks(y, [legible(str(name), lines=1) for name in rows.index])
    ax.set_xlabel("hazard ratio per standard deviation, 95 % interval")
    return ax
