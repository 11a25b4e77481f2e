"""Aberrant counts: how many, how certain, and against what was expected."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pl.names import name_points
from tybalt_like.pl.palette import DOWN, MISSING, UP, styles
from tybalt_like.pl.theme import legible, theme

BLUE = styles(["all"])["all"].color
MAX_NAMED = 6
"""Points named in a scatter plot."""
NAMED_SAMPLES = 3
"""Samples with the most aberrant genes, named in the legend."""
LINEAR = 20
"""More aberrant genes in a sample are drawn on a logarithmic axis."""
QQ_POINTS = 2000
"""Points of a QQ plot, closer together where p-values are small."""
QQ_CEILING = 4.0
"""Observed p-values are drawn up to so many times the largest exponent expected by chance."""


@theme
def aberrant_per_sample(summary: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Bars of the number of aberrant genes, one per sample, the quietest first.

    Parameters
    ----------
    summary
        One row per sample with a column ``aberrant``; the index holds the names.
    """
    table = summary.sort_values("aberrant", kind="stable")
    n, places = table["aberrant"].to_numpy(), np.arange(1, len(table) + 1)
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 3.4))[1]
    ax.bar(places, n, width=1.0, color=BLUE, edgecolor="white", lw=0.3)
    median = float(np.median(n))
    ax.axhline(median, color="#222222", ls="--", lw=1.1, label=f"median: {median:g}")
    for place in range(len(n) - 1, max(-1, len(n) - 1 - NAMED_SAMPLES), -1):
        if n[place] > median:
            label = f"{legible(str(table.index[place]), lines=1)}: {n[place]:,}"
            ax.plot([], [], ls="", marker="s", ms=6, color=BLUE, label=label)
    if n.max() > LINEAR:
        ax.set_yscale("symlog", linthresh=1)
        ax.yaxis.set_major_formatter("{x:,.0f}")
    else:
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylim(0, 1.12 * max(1, n.max()))
    ax.grid(visible=False, axis="x")
    ax.set(xlabel="samples, from the quietest", ylabel="aberrant genes", xlim=(0, len(n) + 1))
    ax.legend(loc="upper left")
    return ax


@theme
def volcano(
    pairs: pd.DataFrame, sample: str, *, alpha: float = 0.05, ax: Axes | None = None
) -> Axes:
    """Fold changes of one sample's genes against their p-values; aberrant ones are named.

    Parameters
    ----------
    pairs
        Columns ``gene, sample, pvalue, padjust, l2fc``.
    alpha
        Largest adjusted p-value of an aberrant gene.

    Raises
    ------
    DataError
        If the table does not hold the sample.
    """
    rows = pairs[pairs["sample"] == sample].sort_values("pvalue", kind="stable")
    if rows.empty:
        raise DataError(f"the table holds no sample {sample!r}")
    if ax is None:
        ax = plt.subplots(figsize=(4.6, 4.0))[1]
    x, y = rows["l2fc"].to_numpy(), _exponent(rows["pvalue"].to_numpy())
    called = (rows["padjust"] <= alpha).to_numpy()
    ax.scatter(x[~called], y[~called], s=6, color=MISSING.color, lw=0, rasterized=True)
    for of_kind, color in ((called & (x > 0), UP), (called & (x <= 0), DOWN)):
        ax.scatter(x[of_kind], y[of_kind], s=26, color=color, lw=0, zorder=3)
    limit = 1.35 * max(1.0, float(np.abs(x).max()))
    ax.axvline(0, color="#999999", lw=0.8)
    ax.set(
        title=f"{legible(sample, width=30, lines=1)}: {called.sum()} aberrant",
        xlabel="log2 (observed / expected)",
        ylabel="-log10 p",
        xlim=(-limit, limit),
        ylim=(0, 1.08 * max(float(y.max()), 4.0)),
    )
    named = np.flatnonzero(called)[:MAX_NAMED]
    name_points(ax, rows["gene"].iloc[named], x[named], y[named])
    return ax


@theme
def p_value_qq(pairs: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """p-values of all pairs against those that chance alone would give, on a logarithmic scale.

    The grey band holds each point in 95 % of repetitions if all p-values are independent and
    uniform. Points beyond the upper edge are drawn on it as triangles.

    Parameters
    ----------
    pairs
        With a column ``pvalue``.
    """
    from scipy.stats import beta

    p = np.sort(pairs["pvalue"].to_numpy())
    n = len(p)
    rank = np.unique(np.geomspace(1, n, min(n, QQ_POINTS)).round().astype(int))
    chance, observed = _exponent((rank - 0.5) / n), _exponent(p[rank - 1])
    low, high = (_exponent(np.asarray(beta.ppf(q, rank, n - rank + 1))) for q in (0.975, 0.025))
    ceiling = QQ_CEILING * float(chance.max())
    if ax is None:
        ax = plt.subplots(figsize=(4.8, 4.4))[1]
    ax.fill_between(chance, low, high, color="#DDDDDD", lw=0, label="95 % by chance")
    ax.plot([0, chance.max()], [0, chance.max()], color="#777777", lw=1)
    beyond = observed > ceiling
    ax.scatter(chance[~beyond], observed[~beyond], s=9, color=BLUE, lw=0, zorder=3)
    if beyond.any():
        label = f"p < 1e-{ceiling:.0f}"
        top = np.full(beyond.sum(), ceiling)
        ax.scatter(chance[beyond], top, s=24, marker="^", color=UP, lw=0, zorder=3, label=label)
    ax.set(
        xlabel="-log10 p, expected by chance",
        ylabel="-log10 p, observed",
        ylim=(0, 1.05 * min(ceiling, max(float(observed.max()), float(chance.max())))),
    )
    ax.legend(loc="upper left")
    return ax


@theme
def expected_observed(
    pairs: pd.DataFrame, gene: str, *, alpha: float = 0.05, ax: Axes | None = None
) -> Axes:
    """Counts of one gene against those expected, one point per sample; aberrant ones are named.

    Parameters
    ----------
    pairs
        Columns ``gene, sample, padjust, l2fc, expected, observed``.
    alpha
        Largest adjusted p-value of an aberrant count.

    Raises
    ------
    DataError
        If the table does not hold the gene.
    """
    rows = pairs[pairs["gene"] == gene]
    if rows.empty:
        raise DataError(f"the table holds no gene {gene!r}")
    if ax is None:
        ax = plt.subplots(figsize=(4.2, 4.0))[1]
    x, y = rows["expected"].to_numpy() + 1, rows["observed"].to_numpy() + 1.0
    called = (rows["padjust"] <= alpha).to_numpy()
    low, high = 0.7 * min(x.min(), y.min()), 1.5 * max(x.max(), y.max())
    ax.plot([low, high], [low, high], color="#777777", lw=1)
    ax.scatter(x[~called], y[~called], s=11, color=MISSING.color, lw=0)
    colors = np.where(rows["l2fc"].to_numpy() > 0, UP, DOWN)
    ax.scatter(x[called], y[called], s=34, color=colors[called], lw=0, zorder=3)
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_formatter(NullFormatter())
    ax.set(xlabel="expected count + 1", ylabel="observed count + 1")
    ax.set_title(legible(gene, width=30, lines=1))
    named = np.flatnonzero(called)[:MAX_NAMED]
    name_points(ax, rows["sample"].iloc[named], x[named], y[named])
    return ax


def _exponent(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """-log10 p; p-values that are too small for a number count as 1e-300."""
    return np.asarray(-np.log10(np.maximum(p, 1e-300)))
