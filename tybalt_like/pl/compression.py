"""Latent spaces of many sizes beside each other."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import Palette, styles
from tybalt_like.pl.theme import legible, theme

_TITLES = {
    "r2": ("Reconstruction", "R2 of the test samples"),
    "cka": ("Stability: CKA", "agreement of two seeds"),
    "svcca": ("Stability: SVCCA", "agreement of two seeds"),
    "coverage": ("Gene sets", "share of the sets covered"),
    "up_to_k": ("Gene sets of ensembles", "share covered by all seeds,\nthis k and smaller"),
}


@theme
def compression_curves(
    metrics: pd.DataFrame,
    stability: pd.DataFrame,
    union: pd.DataFrame,
    *,
    palette: Palette | None = None,
) -> Figure:
    """Reconstruction, probes, stability and gene-set coverage against the number of features.

    Lines are means over seeds (for stability: over pairs of seeds), bands reach from the lowest
    to the highest.

    Parameters
    ----------
    metrics
        Columns ``model, k, seed, metric, value``; of the metrics, ``r2``, ``coverage`` and those
        that begin with ``probe`` are drawn.
    stability
        Columns ``model, k, cka, svcca``, a row per pair of seeds.
    union
        Columns ``model, k, up_to_k``.
    palette
        Styles of the models, see `styles`.

    Raises
    ------
    DataError
        If there is nothing to draw.
    """
    panels = list(_panels(metrics, stability, union))
    if not panels:
        raise DataError("no measurements of latent spaces: nothing to draw")
    models = list(dict.fromkeys(metrics["model"]))
    palette = palette or styles(models, first=models)
    n_columns = min(len(panels), 3)
    n_rows = -(-len(panels) // n_columns)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(3.7 * n_columns + 1.5, 3.1 * n_rows), squeeze=False
    )
    for ax, (title, ylabel, rows) in zip(axes.flat, panels, strict=False):
        _draw(ax, rows, palette)
        ax.set(title=title, ylabel=ylabel, xlabel="latent features (k)")
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    handles, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper")
    return figure


def _panels(
    metrics: pd.DataFrame, stability: pd.DataFrame, union: pd.DataFrame
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Title, axis label and the rows ``model, k, value`` of each panel."""
    probes = [m for m in metrics["metric"].unique() if m.startswith("probe ")]
    for metric in ["r2", *probes, "coverage"]:
        rows = metrics[metrics["metric"] == metric]
        if metric == "coverage":
            for measure in ("cka", "svcca"):
                yield from _panel(measure, stability.rename(columns={measure: "value"}))
        if metric in probes:
            column = metric.removeprefix("probe ")
            yield f"Probe: {legible(column, lines=1)}", "balanced accuracy", rows
        else:
            yield from _panel(metric, rows)
    yield from _panel("up_to_k", union.rename(columns={"up_to_k": "value"}))


def _panel(name: str, rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    known = rows[rows["value"].notna()]
    if len(known):
        yield (*_TITLES[name], known)


def _draw(ax: Axes, rows: pd.DataFrame, palette: Palette) -> None:
    for model, style in palette.items():
        of_model = rows[rows["model"] == model]
        by_k = of_model.groupby("k")["value"].agg(["mean", "min", "max"])
        ax.fill_between(by_k.index, by_k["min"], by_k["max"], color=style.color, alpha=0.18, lw=0)
        ax.plot(
            by_k.index,
            by_k["mean"],
            color=style.color,
            marker=style.marker,
            ms=4.5,
            lw=1.6,
            label=legible(model.replace("_", " ")),
        )
    ks = sorted(rows["k"].unique())
    ax.set_xscale("log")
    ax.set_xticks(ks, [str(k) for k in ks])
    ax.xaxis.set_minor_locator(NullLocator())
