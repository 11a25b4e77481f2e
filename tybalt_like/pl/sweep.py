"""What a sweep over settings found, as in the figures of Tybalt's parameter sweep."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import SEQUENTIAL
from tybalt_like.pl.theme import legible, theme

BEST = "#D55E00"
"""Colour of the best trial."""
COLOURED = 0.75
"""Worse trials than this share have the last colour; a few diverged ones would take all others."""
LISTED = 12
"""Settings with more different values are drawn as a continuous axis."""

FAR = 4.0
"""Trials are drawn no further above the upper quartile than so many times its distance from the
best: one that nearly diverged would flatten all others."""
ROOM = 22
"""Letters that stand side by side below a panel."""

Array = NDArray[np.float64]
Ticks = list[tuple[float, str]]


@theme
def parallel_coordinates(
    trials: pd.DataFrame,
    settings: Sequence[str],
    *,
    objective: str,
    log: Collection[str] = (),
) -> Figure:
    """One line per trial through all its settings to the objective, which colours it.

    Parameters
    ----------
    trials
        One row per trial with the settings and the objective, which is missing where a trial
        failed; these are left out.
    settings
        Columns with the settings.
    objective
        Column that was minimised.
    log
        Settings that were drawn on a logarithmic scale.

    Raises
    ------
    DataError
        If no trial has an objective.
    """
    done, name_of_objective = _finished(trials, objective)
    figure, ax = plt.subplots(figsize=(1.6 * len(settings) + 3.4, 4.6))
    axes = [_axis(done[name], log=name in log) for name in settings]
    axes.append(_axis(done[objective], log=False, listed=False))
    y_nc = np.stack([y for y, _ in axes], axis=1)
    # Lines that meet in one value are spread a little: worse ones leave it higher.
    spread_n = np.linspace(-0.02, 0.02, len(done))
    y_nc[:, :-1] += spread_n[:, None]
    norm = _norm(done[objective])
    colors = plt.get_cmap(SEQUENTIAL)(norm(done[objective]))
    lines = [np.column_stack([np.arange(y_nc.shape[1]), y_c]) for y_c in y_nc]
    width = float(np.clip(100 / len(lines), 0.8, 1.8))
    # The best on top.
    ax.add_collection(LineCollection(lines[::-1], colors=colors[::-1], linewidths=width, alpha=0.8))
    ax.plot(y_nc[0], color=BEST, lw=2.8, marker="o", ms=5, label="best trial", zorder=3)
    for x, (_, ticks) in enumerate(axes):
        _draw_axis(ax, x, ticks)
    ax.set_xticks(range(len(axes)), [*map(_titled, settings), name_of_objective])
    ax.set(xlim=(-0.1, len(axes) - 0.55), ylim=(-0.05, 1.05), yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelsize=9.5, pad=6)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    _colorbar(ax, norm, _titled(objective))
    return figure


@theme
def marginals(
    trials: pd.DataFrame,
    settings: Sequence[str],
    *,
    objective: str,
    log: Collection[str] = (),
) -> Figure:
    """The objective against each setting in turn, whatever the others were.

    Every trial is a dot; of listed values also the median and quartiles.

    Parameters and errors as in `parallel_coordinates`.
    """
    done, name_of_objective = _finished(trials, objective)
    n_columns = min(len(settings), 4)
    n_rows = -(-len(settings) // n_columns)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(1 + 2.6 * n_columns, 3.2 * n_rows),
        squeeze=False,
        sharey=True,
    )
    for ax, name in zip(axes.flat, settings, strict=False):
        _draw_marginal(ax, done[name], done[objective], log=name in log)
        ax.set_xlabel(_titled(name))
    for ax in axes.flat[len(settings) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel(name_of_objective)
    entries = _legend_entries(figure)
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=3)
    return figure


@theme
def sweep_panels(trials: pd.DataFrame, settings: Sequence[str], *, objective: str) -> Figure:
    """The objective of a complete grid: the first setting along each panel, the second as colour,
    the third and fourth as columns and rows of panels.

    Of further settings the best is shown. Parameters and errors as in `parallel_coordinates`.
    """
    done, name_of_objective = _finished(trials, objective)
    along, *others = settings
    hue, across, down = [*others[:3], None, None, None][:3]
    columns = [None] if across is None else sorted(done[across].unique())
    rows = [None] if down is None else sorted(done[down].unique())
    figure, axes = plt.subplots(
        len(rows),
        len(columns),
        figsize=(1.6 + 2.2 * max(len(columns), 2), 0.8 + 2.1 * len(rows)),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            inside = done
            for key, value in ((down, row), (across, column)):
                inside = inside if key is None else inside[inside[key] == value]
            _draw_panel(axes[i, j], inside, along, hue, done, objective=objective)
            pairs = (across, column), (down, row)
            title = ", ".join(f"{_titled(key)} {_text(value)}" for key, value in pairs if key)
            axes[i, j].set_title(title, fontsize=9, fontweight="normal")
    figure.supxlabel(_titled(along), fontsize=9.5)
    figure.supylabel(name_of_objective, fontsize=9.5)
    entries = _legend_entries(figure)
    best = {"best trial": entries.pop("best trial")}
    shown = best if hue is None else entries | best
    figure.legend(
        shown.values(),
        shown,
        title=hue and _titled(hue),
        loc="outside right upper",
        alignment="left",
    )
    return figure


def _finished(trials: pd.DataFrame, objective: str) -> tuple[pd.DataFrame, str]:
    """Trials with an objective, best first and none far off, and what to call the objective."""
    done = trials[trials[objective].notna()]
    if done.empty:
        raise DataError(f"no trial has a value of {objective!r}: nothing to draw")
    done = done.sort_values(objective, ignore_index=True, kind="stable")
    best, upper = done[objective].iloc[0], done[objective].quantile(0.75)
    far = upper + FAR * (upper - best)
    n_far = int((done[objective] > far).sum())
    if n_far == 0 or upper == best:
        return done, _titled(objective)
    name = f"{_titled(objective)}\n({n_far} above {far:.4g})"
    return done.assign(**{objective: done[objective].clip(upper=far)}), name


def _axis(values: pd.Series, *, log: bool, listed: bool | None = None) -> tuple[Array, Ticks]:
    """Heights between 0 and 1, and what is written where."""
    levels = sorted(values.unique())
    if listed is None:
        listed = len(levels) <= LISTED or not pd.api.types.is_numeric_dtype(values)
    if listed:
        place = {level: _share(i, len(levels)) for i, level in enumerate(levels)}
        return values.map(place).to_numpy(np.float64), [(place[v], _text(v)) for v in levels]
    number_n = np.log10(values.to_numpy(np.float64)) if log else values.to_numpy(np.float64)
    low, high = number_n.min(), number_n.max()
    width = max(high - low, np.finfo(float).tiny)
    at = np.linspace(low, high, 5)
    names = [f"{10**x:.2g}" if log else f"{x:.4g}" for x in at]
    return (number_n - low) / width, list(zip((at - low) / width, names, strict=True))


def _share(i: int, n: int) -> float:
    return i / (n - 1) if n > 1 else 0.5


def _draw_axis(ax: Axes, x: float, ticks: Ticks) -> None:
    ax.axvline(x, ymin=0.045, ymax=0.955, color="#444444", lw=1, zorder=2.5)
    for y, text in ticks:
        ax.plot([x, x + 0.025], [y, y], color="#444444", lw=1, zorder=2.5)
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
        ax.text(x + 0.045, y, text, va="center", fontsize=8.5, bbox=box, zorder=4)


def _draw_marginal(ax: Axes, values: pd.Series, y: pd.Series, *, log: bool) -> None:
    levels = sorted(values.unique())
    dot: dict[str, Any] = {"s": 14, "color": "#56B4E9", "alpha": 0.65, "lw": 0, "rasterized": True}
    if len(levels) > LISTED and pd.api.types.is_numeric_dtype(values):
        ax.scatter(values, y, label="trial", **dot)
        ax.scatter(values.iloc[0], y.iloc[0], s=42, color=BEST, label="best trial", zorder=4)
        if log:
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_formatter(NullFormatter())
        return
    place = {level: i for i, level in enumerate(levels)}
    x_n = values.map(place).to_numpy(np.float64)
    shift_n = np.random.default_rng(0).uniform(-0.16, 0.16, len(x_n))
    shift_n[0] = 0
    ax.scatter(x_n + shift_n, y, label="trial", **dot)
    low, middle, high = (y.groupby(x_n).quantile(share).to_numpy() for share in (0.25, 0.5, 0.75))
    ax.errorbar(
        range(len(levels)),
        middle,
        yerr=[middle - low, high - middle],
        color="#222222",
        lw=1.6,
        marker="o",
        ms=4.5,
        label="median and quartiles",
        zorder=3,
    )
    ax.scatter(x_n[0], y.iloc[0], s=42, color=BEST, label="best trial", zorder=4)
    _name_levels(ax, levels)


def _draw_panel(
    ax: Axes,
    inside: pd.DataFrame,
    along: str,
    hue: str | None,
    done: pd.DataFrame,
    *,
    objective: str,
) -> None:
    levels = sorted(done[along].unique())
    groups = [None] if hue is None else sorted(done[hue].unique())
    colors = plt.get_cmap(SEQUENTIAL)(np.linspace(0, 0.88, len(groups)))
    for group, color in zip(groups, colors, strict=True):
        rows = inside if hue is None else inside[inside[hue] == group]
        best = rows.groupby(along)[objective].min().reindex(levels)
        ax.plot(range(len(levels)), best, marker="o", ms=4, lw=1.4, color=color, label=_text(group))
    top = done.iloc[0]
    if top.name in inside.index:
        ax.plot(
            levels.index(top[along]),
            top[objective],
            "o",
            ms=9,
            mfc="none",
            mec=BEST,
            mew=2,
            label="best trial",
        )
    _name_levels(ax, levels)


def _legend_entries(figure: Figure) -> dict[str, Artist]:
    """What any panel has, once."""
    entries: dict[str, Artist] = {}
    for ax in figure.axes:
        handles, names = ax.get_legend_handles_labels()
        entries |= dict(zip(names, handles, strict=True))
    return entries


def _name_levels(ax: Axes, levels: Sequence[object]) -> None:
    names = [_text(level) for level in levels]
    ax.set_xticks(range(len(names)), names)
    if sum(map(len, names)) > ROOM:
        ax.tick_params(axis="x", labelrotation=90)
    ax.set_xlim(-0.4, len(names) - 0.6)


def _norm(objective: pd.Series) -> Normalize:
    low, high = float(objective.min()), float(objective.quantile(COLOURED))
    return Normalize(low, high if high > low else low + 1, clip=True)


def _colorbar(ax: Axes, norm: Normalize, label: str) -> None:
    picture = ScalarMappable(norm, SEQUENTIAL)
    bar = ax.figure.colorbar(picture, ax=ax, pad=0.02, aspect=30, extend="max")
    bar.set_label(label)
    bar.outline.set_visible(False)


def _titled(key: str) -> str:
    """The last part of a dotted key, in words."""
    names = {"val_loss": "validation loss", "name": "model"}
    last = key.rpartition(".")[2]
    return legible(names.get(last, last.replace("_", " ")))


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
