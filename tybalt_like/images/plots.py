"""Latent spaces of images in numbers: planes of codes, concepts, and what a bound is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import Palette, styles
from tybalt_like.pl.theme import theme

_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


@theme
def code_planes(
    codes: Mapping[str, NDArray[np.floating]],
    labels: Sequence[str],
    *,
    palette: Palette | None = None,
) -> Figure:
    """Two latent features of every image, one panel per model.

    Parameters
    ----------
    codes
        By model, (n, 2).
    labels
        Of the n images.

    Raises
    ------
    DataError
        If there are no codes.
    """
    if not codes:
        raise DataError("no codes to draw")
    figure, axes = plt.subplots(1, len(codes), figsize=(4.6 * len(codes) + 0.9, 4.4), squeeze=False)
    label_n = np.asarray(labels, dtype=object)
    looks = palette or styles(labels)
    for ax, (name, z_n2) in zip(axes[0], codes.items(), strict=True):
        for label, style in looks.items():
            mine_n = label_n == label
            if mine_n.any():
                look = {"c": style.color, "marker": style.marker, "label": label}
                ax.scatter(*z_n2[mine_n].T, s=4, lw=0, alpha=0.6, rasterized=True, **look)
        ax.set(title=name, xlabel="feature 1", ylabel="feature 2", aspect="equal")
        ax.set_adjustable("datalim")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=3)
    return figure


@theme
def bands(
    table: pd.DataFrame,
    measure: str,
    *,
    x: str,
    y: str,
    items: Sequence[str],
    limits: tuple[float, float] | None = None,
) -> Figure:
    """A median and its quartiles against x, one panel per item.

    Parameters
    ----------
    table
        ``measure`` (``"<measure> low"``, ``" median"``, ``" high"``), ``item``, ``x``, ``value``.
    x, y
        Names of the axes.
    limits
        Of the vertical axes; their own if None.

    Raises
    ------
    DataError
        If there are no items.
    """
    if not items:
        raise DataError("no measurements to draw")
    columns = 2
    n_rows = -(-len(items) // columns)
    size = (3.4 * columns, 2.5 * n_rows)
    figure, axes = plt.subplots(n_rows, columns, figsize=size, squeeze=False, sharex=True)
    for ax in axes.flat[len(items) :]:
        ax.set_axis_off()
    for ax, item in zip(axes.flat, items, strict=False):
        low, median, high = (
            table[(table["measure"] == f"{measure} {part}") & (table["item"] == item)]
            for part in ("low", "median", "high")
        )
        ax.fill_between(low["x"], low["value"], high["value"], color="#56B4E9", alpha=0.35, lw=0)
        ax.plot(median["x"], median["value"], color="#0072B2", lw=1.8)
        ax.axvline(0, color="#666666", lw=0.8, ls=":")
        ax.set_title(item)
        if limits is not None:
            ax.set_ylim(limits)
    figure.supxlabel(x, fontsize=9.5)
    figure.supylabel(y, fontsize=9.5)
    return figure


@theme
def trade_off(bounds: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """What a negative bound is made of: KL divergence against reconstruction, one point per model.

    Parameters
    ----------
    bounds
        Index models; ``kl`` and ``reconstruction`` in nats, and ``beta``. Models of one size,
        ordered by beta, are joined by a line.
    """
    ax = ax or plt.subplots(figsize=(6.2, 4.2))[1]
    ordered = bounds.sort_values("beta")
    ax.plot(ordered["kl"], ordered["reconstruction"], color="#999999", lw=1, zorder=1)
    ax.scatter(ordered["kl"], ordered["reconstruction"], color="#0072B2", s=42, zorder=2)
    for name, row in ordered.iterrows():
        said = f"{name}\nbeta {row['beta']:g}, sum {row['kl'] + row['reconstruction']:.1f}"
        ax.annotate(said, (row["kl"], row["reconstruction"]), xytext=(7, 3), fontsize=8.5,
                    textcoords="offset points")  # fmt: skip
    ax.set(xlabel="KL divergence, nats per image", ylabel="reconstruction, nats per image")
    ax.margins(x=0.35, y=0.15)
    return ax


@theme
def bars(groups: Mapping[str, Mapping[str, float]], *, x: str, ax: Axes | None = None) -> Axes:
    """Horizontal bars: one group of bars per name, with their values.

    Parameters
    ----------
    groups
        Value by bar name, by group name; bars of one name have one colour.
    x
        What is measured.
    """
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    height = 0.8 / len(names)
    ax = ax or plt.subplots(figsize=(7, 0.7 + len(groups) * (0.14 + 0.24 * len(names))))[1]
    for i, name in enumerate(names):
        at = [j + i * height for j, bars in enumerate(groups.values()) if name in bars]
        values = [bars[name] for bars in groups.values() if name in bars]
        drawn = ax.barh(at, values, height * 0.92, color=_COLORS[i % len(_COLORS)], label=name)
        ax.bar_label(drawn, fmt="%.3g", padding=3, fontsize=8.5)
    ax.set_yticks(np.arange(len(groups)) + 0.4 - height / 2, list(groups))
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.margins(x=0.12)
    ax.set_xlabel(x)
    if len(names) > 1:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(names))
    return ax


@theme
def subspace_angles(angles: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Principal angles between two subspaces; ``x`` numbers them, ``value`` is in degrees."""
    ax = ax or plt.subplots(figsize=(6.2, 3))[1]
    ax.bar(angles["x"], angles["value"], color="#0072B2")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.axhline(90, color="#666666", lw=1, ls="--", label="nothing in common")
    ax.set(xlabel="principal angle", ylabel="degrees", ylim=(0, 95))
    ax.legend(loc="upper left", bbox_to_anchor=(0, 0.93))
    return ax
