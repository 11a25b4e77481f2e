"""Samples in two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import MISSING, SEQUENTIAL, Palette, Style, clean, styles
from tybalt_like.pl.theme import legible, theme

if TYPE_CHECKING:
    from anndata import AnnData

LEGEND_ROWS = 16
MAX_LABELS = 48
"""More labels than this cannot be told apart: the rarest are drawn as one."""

_BASIS_NAMES = {"umap": "UMAP", "tsne": "t-SNE", "pca": "PC"}

Coordinates = NDArray[np.floating]


@theme
def embedding(
    adata: AnnData,
    basis: str,
    *,
    color: str,
    palette: Palette | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Scatter plot of samples.

    Parameters
    ----------
    adata
        Holds ``obsm[basis]`` or ``obsm["X_" + basis]``, (n, 2 or more); two columns are drawn.
    basis
        For example ``"umap"``.
    color
        Column of ``obs``. Numbers are drawn on a continuous scale that spans their 1st to 99th
        percentile; anything else as labels, with their counts in the legend.
    palette
        Styles of the labels, see `styles`; made from the column if None.
    legend
        False leaves out the legend or colour bar, for panels that share one.

    Raises
    ------
    DataError
        If the coordinates or the column do not exist.
    """
    xy_n2, values = _coordinates(adata, basis), column(adata, color)
    if ax is None:
        n_columns = 1 if is_continuous(values) else _legend_columns(values.nunique())
        ax = plt.subplots(figsize=(4.9 + 1.7 * n_columns, 4.8))[1]
    if is_continuous(values):
        _draw_numbers(ax, xy_n2, values.to_numpy(np.float64), name=color if legend else None)
    else:
        labels = clean(values).to_numpy(str)
        _draw_labels(ax, xy_n2, labels, palette or styles(values), legend=legend)
    name = _BASIS_NAMES.get(basis.removeprefix("X_").split("_")[0], basis)
    ax.set(xlabel=f"{name} 1", ylabel=f"{name} 2", xticks=[], yticks=[], box_aspect=1)
    return ax


def umap(adata: AnnData, *, color: str, **options: Any) -> Axes:
    """`embedding` of ``obsm["X_umap"]``."""
    return embedding(adata, keys.UMAP, color=color, **options)


def tsne(adata: AnnData, *, color: str, **options: Any) -> Axes:
    """`embedding` of ``obsm["X_tsne"]``."""
    return embedding(adata, keys.TSNE, color=color, **options)


def column(adata: AnnData, name: str) -> pd.Series:
    """A column of ``obs``, or a clear error."""
    if name not in adata.obs:
        raise DataError(f"obs has no column {name!r}; it has {', '.join(map(str, adata.obs))}")
    return pd.Series(adata.obs[name])


def is_continuous(values: pd.Series) -> bool:
    """True for numbers, false for labels and for true/false."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _coordinates(adata: AnnData, basis: str) -> Coordinates:
    key = basis if basis in adata.obsm else f"X_{basis}"
    if key not in adata.obsm:
        raise DataError(f"obsm has no {basis!r}; it has {', '.join(adata.obsm) or 'nothing'}")
    return np.asarray(adata.obsm[key])[:, :2]


def _points(ax: Axes, xy_n2: Coordinates, n_all: int, **options: Any) -> Any:
    """Dots whose size suits the number of samples."""
    size = float(np.clip(14_000 / max(n_all, 1), 2.5, 34))
    x_n, y_n = xy_n2.T
    return ax.scatter(x_n, y_n, s=size, linewidths=0, rasterized=True, **options)


def _draw_numbers(
    ax: Axes, xy_n2: Coordinates, value_n: NDArray[np.float64], *, name: str | None
) -> None:
    known_n = np.isfinite(value_n)
    _points(ax, xy_n2[~known_n], len(xy_n2), color=MISSING.color)
    if not known_n.any():
        return
    low, high = np.percentile(value_n[known_n], [1, 99])
    order = np.flatnonzero(known_n)[np.argsort(value_n[known_n], kind="stable")]  # highest on top
    points = _points(
        ax, xy_n2[order], len(xy_n2), c=value_n[order], cmap=SEQUENTIAL, vmin=low, vmax=high
    )
    if name is not None:
        bar = ax.figure.colorbar(points, ax=ax, extend="both", shrink=0.7, label=name)
        bar.outline.set_visible(False)


def _draw_labels(
    ax: Axes, xy_n2: Coordinates, label_n: NDArray[np.str_], palette: Palette, *, legend: bool
) -> None:
    counts = pd.Series(label_n[label_n != ""]).value_counts()
    shown = [label for label in palette if label in counts.index]
    if len(shown) > MAX_LABELS:
        common = set(counts.index[: MAX_LABELS - 1])
        shown = [label for label in shown if label in common]
    faint_n = ~np.isin(label_n, shown)
    _points(ax, xy_n2[faint_n], len(label_n), color=MISSING.color)
    # In random order, so that no label covers another; one marker at a time, as matplotlib asks.
    order = np.random.default_rng(0).permutation(np.flatnonzero(~faint_n))
    color_n = np.array([palette[label].color for label in label_n[order]])
    marker_n = np.array([palette[label].marker for label in label_n[order]])
    for marker in dict.fromkeys(marker_n):
        of_marker = marker_n == marker
        at = order[of_marker]
        _points(ax, xy_n2[at], len(label_n), c=color_n[of_marker], marker=marker, alpha=0.85)
    if legend:
        entries = [(label, int(counts[label]), palette[label]) for label in shown]
        n_other, n_missing = int((faint_n & (label_n != "")).sum()), int((label_n == "").sum())
        entries += [("other labels", n_other, MISSING)] * (n_other > 0)
        entries += [("no label", n_missing, MISSING)] * (n_missing > 0)
        _legend(ax, entries)


def _legend_columns(n: int) -> int:
    return -(-min(n, MAX_LABELS) // LEGEND_ROWS)


def _legend(ax: Axes, entries: list[tuple[str, int, Style]]) -> None:
    handles = [
        Line2D([], [], ls="", marker=style.marker, color=style.color, ms=6.5)
        for _, _, style in entries
    ]
    names = [f"{legible(label)} ({n:,})" for label, n, _ in entries]
    ax.legend(
        handles,
        names,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.01),
        ncols=_legend_columns(len(entries)),
        columnspacing=1.2,
        handletextpad=0.3,
    )
