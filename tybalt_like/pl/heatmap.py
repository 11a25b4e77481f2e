"""The latent features of all samples at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.cluster import hierarchy

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import DIVERGING, MISSING, SEQUENTIAL, Palette, clean, styles
from tybalt_like.pl.scatter import column, is_continuous
from tybalt_like.pl.theme import legible, theme

if TYPE_CHECKING:
    from anndata import AnnData

MAX_LEAVES = 2000
"""Above this many samples the tree is grown over groups of similar samples, and a column is the
mean of neighbours: a picture has no more of them."""
GROUPS, MAX_LEARNED = 200, 20_000
"""Such groups, and samples that they are found among."""
MAX_NAMES = 60
"""Up to this many features are named at the side."""
MAX_LEGEND = 36
"""Labels of a bar that the legend explains."""
LIMIT = 3.0
"""Standard deviations at which the colours end."""

Array = NDArray[np.float64]


@theme
def latent_heatmap(
    adata: AnnData,
    *,
    model: str = keys.MODEL,
    labels: Sequence[str] = (),
    palettes: Mapping[str, Palette] | None = None,
) -> Figure:
    """Clustered heat map: latent features in rows, each standardised; samples in columns.

    Figure 2C of Way & Greene (PSB 2018). Features are clustered by correlation (average
    linkage), samples by Ward's method. Above `MAX_LEAVES` samples, Ward's tree is that of k-means
    groups, and each column shows the mean of neighbouring samples. Features without variance are
    left out and counted in the title.

    Parameters
    ----------
    adata
        Holds ``obsm["X_<model>"]``, (n, k).
    model
        Name of the model.
    labels
        Columns of ``obs`` drawn as colour bars above the map.
    palettes
        Styles of the labels by column, see `styles`.

    Raises
    ------
    DataError
        If the latent table or a column does not exist, or no feature varies.
    """
    key = keys.latent(model)
    if key not in adata.obsm:
        raise DataError(f"obsm has no {key!r}; fit the model first")
    z_nk = np.asarray(adata.obsm[key], dtype=np.float64)
    varies_k = z_nk.std(0) > 1e-8 * np.abs(z_nk).max(initial=1e-30)
    if not varies_k.any() or len(z_nk) < 2:
        raise DataError(f"no latent feature in obsm[{key!r}] varies between samples")
    z_kn = ((z_nk - z_nk.mean(0)) / np.where(varies_k, z_nk.std(0), 1.0)).T[varies_k]
    features, (order_n, samples) = _feature_tree(z_kn), _sample_order(z_kn.T)
    order_k = np.arange(1) if features is None else hierarchy.leaves_list(features)
    bars = {name: column(adata, name) for name in labels}
    given = palettes or {}
    palettes = {name: given.get(name) or styles(bar) for name, bar in bars.items()}

    figure, axes = _layout(list(bars))
    _draw_tree(axes["features"], features, orientation="left")
    _draw_tree(axes["samples"], samples, orientation="top")
    for name, values in bars.items():
        _draw_bar(axes[f"bar {name}"], values.iloc[order_n], palettes[name], name=name)
    _draw_map(axes["map"], _means(z_kn[order_k][:, order_n]))
    if len(z_kn) <= MAX_NAMES:
        names = [f"{model}_{i + 1}" for i in np.flatnonzero(varies_k)[order_k]]
        axes["map"].yaxis.tick_right()
        axes["map"].set_yticks(range(len(names)), names, fontsize=6.5)
    still = f" ({len(varies_k) - len(z_kn)} more do not vary)" if len(z_kn) < len(varies_k) else ""
    axes["features"].set_ylabel(f"{len(z_kn)} latent features{still}")
    axes["map"].set_xlabel(f"{len(z_nk):,} samples")
    _legend(figure, bars, palettes)
    return figure


def _feature_tree(z_kn: Array) -> Array | None:
    """Average linkage on 1 - correlation; rows are standardised, so the product is it."""
    if len(z_kn) < 2:
        return None
    distance_kk = np.clip(1 - z_kn @ z_kn.T / z_kn.shape[1], 0, None)
    pairs = distance_kk[np.triu_indices(len(z_kn), 1)]
    # Ordering the leaves takes cubic time.
    return hierarchy.linkage(pairs, "average", optimal_ordering=len(z_kn) <= 300)


def _sample_order(z_nk: Array) -> tuple[NDArray[np.intp], Array | None]:
    """Samples in the order of the leaves, and the tree if it has one leaf per sample."""
    if len(z_nk) <= MAX_LEAVES:
        tree = hierarchy.linkage(z_nk, "ward")
        return hierarchy.leaves_list(tree).astype(np.intp), tree
    from sklearn.cluster import KMeans

    rows = np.random.default_rng(0).permutation(len(z_nk))[:MAX_LEARNED]
    learned = z_nk if len(rows) == len(z_nk) else z_nk[np.sort(rows)]
    groups = KMeans(GROUPS, n_init=1, random_state=0).fit(learned)
    rank_of = np.argsort(hierarchy.leaves_list(hierarchy.linkage(groups.cluster_centers_, "ward")))
    return np.argsort(rank_of[groups.predict(z_nk)], kind="stable"), None


def _means(z_kn: Array) -> Array:
    """At most `MAX_LEAVES` columns: means of neighbours, where there are more."""
    starts = np.unique(np.linspace(0, z_kn.shape[1], MAX_LEAVES, endpoint=False).astype(np.intp))
    if len(starts) == z_kn.shape[1]:
        return z_kn
    return np.asarray(np.add.reduceat(z_kn, starts, 1) / np.diff(starts, append=z_kn.shape[1]))


def _layout(bars: list[str]) -> tuple[Figure, dict[str, Axes]]:
    rows: list[Any] = [
        [".", "samples"],
        *([".", f"bar {name}"] for name in bars),
        ["features", "map"],
    ]
    figure, axes = plt.subplot_mosaic(
        rows,
        figsize=(10, 6.6 + 0.2 * len(bars)),
        width_ratios=[1, 11],
        height_ratios=[9, *[2] * len(bars), 60],
        layout=ConstrainedLayoutEngine(h_pad=0.01, w_pad=0.01, hspace=0, wspace=0),
    )
    for ax in axes.values():
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.grid(visible=False)
    return figure, axes


def _draw_tree(ax: Axes, tree: Array | None, *, orientation: Literal["left", "top"]) -> None:
    if tree is not None:
        with plt.rc_context({"lines.linewidth": 0.5}):
            hierarchy.dendrogram(
                tree,
                ax=ax,
                orientation=orientation,
                no_labels=True,
                color_threshold=0,
                above_threshold_color="#555555",
            )
    ax.set(xticks=[], yticks=[])
    if orientation == "left":
        ax.invert_yaxis()  # the first leaf on top, as in the map


def _draw_bar(ax: Axes, values: pd.Series, palette: Palette, *, name: str) -> None:
    if is_continuous(values):
        numbers = np.ma.masked_invalid(values.to_numpy(np.float64))
        ax.imshow(numbers[None], aspect="auto", cmap=SEQUENTIAL, interpolation="nearest")
    else:
        colors = [to_rgb(palette.get(label, MISSING).color) for label in clean(values)]
        ax.imshow(np.array([colors]), aspect="auto", interpolation="nearest")
    ax.text(1.005, 0.5, legible(name, lines=1), va="center", transform=ax.transAxes)


def _draw_map(ax: Axes, z_kn: Array) -> None:
    picture = ax.imshow(z_kn, aspect="auto", cmap=DIVERGING, vmin=-LIMIT, vmax=LIMIT)
    bar = ax.figure.colorbar(
        picture,
        ax=ax,
        location="bottom",
        shrink=0.35,
        aspect=30,
        extend="both",
        label="activity, in standard deviations of the feature",
    )
    bar.outline.set_visible(False)


def _legend(figure: Figure, bars: dict[str, pd.Series], palettes: Mapping[str, Palette]) -> None:
    """One legend for all bars, each with its name as a heading."""
    handles: list[Patch] = []
    headings: list[int] = []
    for name, values in bars.items():
        headings.append(len(handles))
        handles.append(Patch(alpha=0, label=legible(name)))
        handles += _entries(values, palettes[name])
    if handles:
        n_columns = -(-len(handles) // (MAX_LEGEND + 2))
        legend = figure.legend(handles=handles, loc="outside right upper", ncols=n_columns)
        for i in headings:
            legend.get_texts()[i].set_fontweight("bold")


def _entries(values: pd.Series, palette: Palette) -> list[Patch]:
    if is_continuous(values):
        low, high = plt.get_cmap(SEQUENTIAL)([0.0, 1.0])
        least, most = f"{values.min():.3g} (least)", f"{values.max():.3g} (most)"
        return [Patch(color=tuple(low), label=least), Patch(color=tuple(high), label=most)]
    counts = clean(values).value_counts()
    present = [label for label in palette if label in counts.index]
    entries = [
        Patch(color=palette[label].color, label=f"{legible(label)} ({counts[label]:,})")
        for label in present[:MAX_LEGEND]
    ]
    if len(present) > MAX_LEGEND:
        entries.append(Patch(alpha=0, label=f"and {len(present) - MAX_LEGEND} more"))
    if "" in counts.index:
        entries.append(Patch(color=MISSING.color, label=f"no label ({counts['']:,})"))
    return entries
