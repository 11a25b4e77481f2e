"""Quality of a normalisation on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from numpy.typing import NDArray

from tybalt_like.genes import align
from tybalt_like.pl.palette import styles
from tybalt_like.pl.scatter import embedding
from tybalt_like.pl.theme import theme
from tybalt_like.pp import BatchPurity, Findings, inspect, quality
from tybalt_like.pp import batch_purity as measured_purity
from tybalt_like.pp.matrix import row_chunks, spread_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MAX_SAMPLES = 2000
"""Samples in the principal components and the batch purity; of more, evenly spaced ones."""
MAX_LINES = 60
"""Samples whose distribution is drawn; of a larger cohort, evenly spaced ones."""
BLUE = styles(["all"])["all"].color
LINEAR = ("counts", "linear", "raw_intensity")


@theme
def qc(before: AnnData, after: AnnData, *, batch: str | None = None) -> Figure:
    """Samples before and after normalisation: library sizes, detected genes, missing values,
    distributions, principal components, and with a batch column how much samples keep to it.

    Parameters
    ----------
    before
        As read; may be backed by a file.
    after
        From `pp.Normaliser.transform`, or the file that `write` wrote, opened.
    batch
        obs column that names the batch.

    Raises
    ------
    DataError
        If there is no such column or it names one batch only.
    """
    found, samples = inspect(before), quality(before)
    n_columns = 3 if batch is None else 4
    figure, axes = plt.subplots(2, n_columns, figsize=(4 * n_columns, 7))
    _sizes(samples, found, ax=axes[0, 0])
    _histogram(samples["detected"], "Detected genes", "genes with a value other than 0", axes[0, 1])
    _missing(samples["missing"], ax=axes[0, 2])
    _distributions(spread_rows(before), "Values as read", linear=_linear(found), ax=axes[1, 0])
    _distributions(spread_rows(after), "Values after", linear=False, ax=axes[1, 1])
    some_n = np.linspace(0, after.n_obs - 1, min(MAX_SAMPLES, after.n_obs)).round().astype(int)
    some = AnnData(np.asarray(after.X[some_n]), obs=after.obs.iloc[some_n])
    _components(some, batch, ax=axes[1, 2])
    if batch is not None:
        axes[0, 3].axis("off")
        as_read = AnnData(_as_read(before, after, found, some_n), obs=some.obs)
        purity = {
            "as read": measured_purity(as_read, batch=batch),
            "after": measured_purity(some, batch=batch),
        }
        batch_purity(purity, ax=axes[1, 3])
    figure.suptitle(
        f"{before.n_obs:,} samples, {before.n_vars:,} genes read ({found.scale}), "
        f"{after.n_vars:,} kept"
    )
    return figure


@theme
def batch_purity(purity: Mapping[str, BatchPurity], *, ax: Axes | None = None) -> Axes:
    """Bars of how many neighbours come from the same batch, and the share if batches were mixed.

    Parameters
    ----------
    purity
        Results of `pp.batch_purity` by name, for example before and after a correction.
    """
    if ax is None:
        ax = plt.subplots(figsize=(1.6 + 1.1 * len(purity), 3.6))[1]
    bars = ax.bar(list(purity), [p.observed for p in purity.values()], color=BLUE, width=0.6)
    ax.bar_label(bars, fmt="{:.0%}", label_type="center", color="white")
    for bar, value in zip(bars, purity.values(), strict=True):
        left, width = bar.get_x(), bar.get_width()
        ax.hlines(value.expected, left - 0.1, left + width + 0.1, color="#222222", linestyles="--")
    ax.set(ylim=(0, 1), title="Neighbours from the same batch", ylabel="share")
    ax.set_xlabel("dashed: if batches were mixed at random")
    ax.yaxis.set_major_formatter("{x:.0%}")
    return ax


def _linear(found: Findings) -> bool:
    return found.scale in LINEAR


def _sizes(samples: pd.DataFrame, found: Findings, *, ax: Axes) -> None:
    if found.scale == "counts":
        _histogram(samples["total"], "Library sizes", "counts in a sample", ax)
    else:
        _histogram(samples["median"], "Sample medians", f"median value ({found.scale})", ax)


def _missing(share: pd.Series, *, ax: Axes) -> None:
    if share.any():
        _histogram(share, "Missing values", "share of genes without a value", ax)
        ax.xaxis.set_major_formatter("{x:.1%}")
        return
    ax.set_title("Missing values")
    ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", color="#666666")
    ax.set(xticks=[], yticks=[])


def _histogram(values: pd.Series, title: str, label: str, ax: Axes) -> None:
    low, high = values.min(), values.max()
    ax.hist(values, bins=30, color=BLUE, range=(low, high) if high > low else (low - 1, high + 1))
    ax.set(title=title, xlabel=label, ylabel="samples")
    ax.ticklabel_format(axis="x", useOffset=False)
    ax.locator_params(axis="x", nbins=5)


def _distributions(x_ng: NDArray[np.float64], title: str, *, linear: bool, ax: Axes) -> None:
    """One line per sample: the density of its values."""
    rows = np.linspace(0, len(x_ng) - 1, min(MAX_LINES, len(x_ng))).round().astype(int)
    shown_ng = x_ng[rows]
    if linear:
        shown_ng = np.log2(np.maximum(shown_ng, 0) + 1)
    low, high = np.nanmin(shown_ng), np.nanmax(shown_ng)
    edges = np.linspace(low, max(high, low + 1e-6), 61)
    for x_g in shown_ng:
        density = np.histogram(x_g[np.isfinite(x_g)], edges, density=True)[0]
        ax.plot((edges[1:] + edges[:-1]) / 2, density, color=BLUE, alpha=0.3, linewidth=0.8)
    ax.set(title=title, xlabel="log2(value + 1)" if linear else "value", ylabel="density (log)")
    ax.set_yscale("symlog", linthresh=1 / (high - low + 1e-6) / 10)
    ax.set_yticks([])


def _components(after: AnnData, batch: str | None, *, ax: Axes) -> None:
    from sklearn.decomposition import PCA

    model = PCA(2, svd_solver="randomized", random_state=0)
    xy_n2 = model.fit_transform(np.asarray(after.X))
    shares = [f"PC {i + 1} ({v:.0%})" for i, v in enumerate(model.explained_variance_ratio_)]
    if batch is None:
        ax.scatter(xy_n2[:, 0], xy_n2[:, 1], s=8, color=BLUE, linewidths=0)
    else:
        about = after.obs[[batch]].astype(str)
        embedding(AnnData(obs=about, obsm={"X_pca": xy_n2}), "pca", color=batch, ax=ax)
    ax.set(title="Samples after", xlabel=shares[0], ylabel=shares[1], xticks=[], yticks=[])


def _as_read(
    before: AnnData, after: AnnData, found: Findings, rows_n: NDArray[np.intp]
) -> NDArray[np.float32]:
    """The kept genes as they were read, logged if they were linear, gaps at the gene's mean."""
    columns = [c[0] for c in align(before, list(after.var_names)).columns if c]
    x_ng = np.concatenate([x_nv[:, columns] for x_nv in row_chunks(before, rows_n)])
    if _linear(found):
        x_ng = np.log2(np.maximum(x_ng, 0) + 1)
    gaps_ng = np.isnan(x_ng)
    if gaps_ng.any():
        x_ng = np.where(gaps_ng, np.nanmean(x_ng, axis=0), x_ng)
    return x_ng.astype(np.float32)
