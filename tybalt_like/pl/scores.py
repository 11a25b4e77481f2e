"""Anomaly scores by label, and how detectors compare."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from seaborn import pointplot

from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import MISSING, Palette, Style, clean, styles
from tybalt_like.pl.theme import legible, theme


@theme
def score_distribution(
    scores: pd.DataFrame,
    score: str,
    *,
    label: str | None = None,
    threshold: float | None = None,
    palette: Palette | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Every sample's score as a dot, with median and quartiles, one row per label.

    Parameters
    ----------
    scores
        One row per sample.
    score
        Column with the score, higher is stranger.
    label
        Column with the label; None puts all samples in one row.
    threshold
        Score from which samples are flagged; drawn as a line.
    palette
        Styles of the labels in the order of the rows, see `styles`.

    Raises
    ------
    DataError
        If the score is missing for all samples.
    """
    known = scores[scores[score].notna()]
    if known.empty:
        raise DataError(f"no sample has a score in column {score!r}")
    labels = clean(known[label] if label else [""] * len(known)).to_numpy(str)
    palette = palette or styles(labels)
    rows = [name for name in [*palette, ""] if (labels == name).any()]
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 1.3 + 0.52 * len(rows)))[1]
    noise = np.random.default_rng(0)
    for place, name in enumerate(rows):
        values = known[score].to_numpy(np.float64)[labels == name]
        style = palette.get(name, MISSING if label else styles(["all"])["all"])
        up_n = place + noise.uniform(-0.3, 0.3, len(values))
        size = float(np.clip(4000 / len(values), 3, 16))
        ax.scatter(values, up_n, s=size, color=style.color, alpha=0.6, lw=0, rasterized=True)
    pointplot(
        x=known[score].to_numpy(np.float64),
        y=labels,
        order=rows,
        orient="h",
        estimator="median",
        errorbar=("pi", 50),
        linestyle="none",
        color="#222222",
        linewidth=2.2,
        markerfacecolor="white",
        markeredgewidth=1.6,
        markersize=6.5,
        zorder=3,
        ax=ax,
    )
    nameless = "no label" if label else "all samples"
    names = [f"{legible(name) or nameless} ({(labels == name).sum():,})" for name in rows]
    ax.set_yticks(range(len(rows)), names)
    ax.set(xlabel=score.replace("_", " "), ylabel="", ylim=(len(rows) - 0.5, -0.5))
    ax.grid(visible=False, axis="y")
    if threshold is not None:
        ax.axvline(threshold, color="#222222", ls="--", lw=1.2, label="flagged from here on")
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1))
    return ax


@theme
def metric_dots(
    table: pd.DataFrame,
    *,
    measure: Literal["auroc", "auprc"] = "auroc",
    bold: Collection[str] = (),
    palette: Palette | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Dots: one row per detector, one colour per anomaly, best detector on top.

    Parameters
    ----------
    table
        Columns ``detector``, ``anomaly`` and the measure, as `anomaly.detection_metrics` makes
        them.
    measure
        ``"auroc"`` or ``"auprc"``.
    bold
        Detectors to point out.
    palette
        Styles of the anomalies, see `styles`.

    Raises
    ------
    DataError
        If the table is empty.
    """
    if table.empty:
        raise DataError("the table of metrics is empty: no label was named as an anomaly")
    wide = table.pivot_table(index="detector", columns="anomaly", values=measure)
    wide = wide.loc[wide.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    palette = palette or styles([name for name in wide.columns if name != "all"])
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 1.2 + 0.31 * len(wide)))[1]
    for name in dict.fromkeys([*palette, *wide.columns]):
        if name in wide:
            color, marker = palette.get(name, Style("#444444", "D"))
            label = legible(name) if name in palette else "all together"
            places = range(len(wide))
            ax.plot(wide[name], places, ls="", marker=marker, color=color, ms=7, label=label)
    ax.set_yticks(range(len(wide)), [legible(str(name), width=40) for name in wide.index])
    for tick, name in zip(ax.get_yticklabels(), wide.index, strict=True):
        tick.set_fontweight("bold" if name in bold else "normal")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4)
    low = float(np.nanmin(wide.to_numpy()))
    ax.set(xlabel=measure.upper(), xlim=(min(low - 0.02, 0.5), 1.005), ylim=(len(wide) - 0.5, -0.5))
    return ax
