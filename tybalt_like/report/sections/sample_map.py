"""Maps of the samples: for the page's scripts, and as figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure as Drawing

from tybalt_like import pl
from tybalt_like.pl.palette import MISSING, SEQUENTIAL, style
from tybalt_like.pl.scatter import LEGEND_ROWS, MAX_LABELS
from tybalt_like.report.figure import Figure
from tybalt_like.report.run_contents import RunContents

if TYPE_CHECKING:
    from anndata import AnnData
    from bokeh.models import ColumnDataSource, Tool
    from bokeh.models.renderers import GlyphRenderer
    from bokeh.plotting import figure

CITATIONS = [
    "UMAP: McInnes L, Healy J, Melville J. UMAP: uniform manifold approximation and projection "
    "for dimension reduction. arXiv:1802.03426 (2018).",
    "t-SNE: van der Maaten L, Hinton G. Visualizing data using t-SNE. Journal of Machine Learning "
    "Research 9:2579-2605 (2008); openTSNE: Poličar PG, Stražar M, Zupan B. Journal of "
    "Statistical Software 109:3 (2024).",
]
SHADES = 256
_BOKEH_MARKERS = {
    "o": "circle",
    "^": "triangle",
    "s": "square",
    "D": "diamond",
    "v": "inverted_triangle",
    "P": "plus",
    "X": "x",
    "*": "star",
}
_NEW = "#d55e00"


def still_maps(run: RunContents) -> Iterator[Figure]:
    """By label and by score."""
    adata, score = run.adata(), "combined anomaly score"
    adata.obs[score] = run.score()
    for method, name in (("umap", "UMAP"), ("tsne", "t-SNE")):
        if not {f"X_{method}", f"X_{method}_genes"} <= set(adata.obsm):
            continue
        if run.label is not None:
            yield Figure(
                f"{method}_by_label",
                f"{name} by label",
                f"{name} maps of the latent features and of the genes, coloured by {run.label}.",
                f"Each dot is a sample; samples with similar profiles lie close together. Left: "
                f"by the latent features of {run.title()}; right: by the genes it was given. "
                "Distances between far groups and sizes of groups mean little in such maps.",
                _panels(run, adata, method, color=run.label),
            )
        yield Figure(
            f"{method}_by_score",
            f"{name} by anomaly score",
            f"{name} maps of the latent features and of the genes, coloured by anomaly score.",
            "The same maps; brighter samples are stranger. Strange samples that gather in a "
            "group have something in common; scattered ones may be single failures.",
            _panels(run, adata, method, color=score),
        )


def _panels(run: RunContents, adata: AnnData, method: str, *, color: str) -> Callable[[], Drawing]:
    def draw() -> Drawing:
        by_label = color == run.label
        n_columns = -(-run.labels.nunique() // LEGEND_ROWS)
        width = 9.1 + 1.7 * n_columns if by_label else 9.8
        figure, axes = plt.subplots(1, 2, figsize=(width, 4.6))
        palette = run.palette if by_label else None
        for ax, suffix, title in zip(
            axes, ("", "_genes"), ("Latent features", "Genes"), strict=True
        ):
            basis = f"X_{method}{suffix}"
            pl.embedding(adata, basis, color=color, palette=palette, legend=bool(suffix), ax=ax)
            ax.set_title(title)
        return figure

    return draw


def plots(*, with_map: bool) -> dict[str, Any]:
    """The map and the plot of pairs as Bokeh's JSON, without points, which the page's scripts put
    in; and the colours and shapes of labels and numbers."""
    from bokeh.document import Document
    from bokeh.models import ColumnDataSource
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    # One point that is never seen: without any, Bokeh complains of ranges.
    point: dict[str, Any] = {name: [0.0] for name in ("x", "y", "u", "v", "size")}
    point |= {name: [""] for name in ("sample", "call", "value")}
    point |= {"color": ["white"], "ring": ["white"], "marker": ["circle"]}
    source = ColumnDataSource(point, name="samples")
    drawn = {"pair-plot": _pair(source)} | ({"map-plot": _map(source)} if with_map else {})
    document = Document()
    for plot in drawn.values():
        document.add_root(plot)
    styles = [style(i) for i in range(MAX_LABELS)]
    return {
        "doc": document.to_json(deferred=False),
        "roots": {plot.id: place for place, plot in drawn.items()},
        "styles": {
            "of": [[one.color, _BOKEH_MARKERS[one.marker]] for one in styles],
            "scale": [to_hex(color) for color in colormaps[SEQUENTIAL](np.linspace(0, 1, SHADES))],
            "missing": MISSING.color,
        },
    }


def _map(source: ColumnDataSource) -> figure:
    from bokeh.models import ColumnDataSource

    plot = _plot(
        source,
        "x",
        "y",
        drag="lasso_select",
        x_axis_location=None,
        y_axis_location=None,
        name="map",
    )
    plot.grid.visible = False
    stars = ColumnDataSource({"x": [], "y": [], "sample": []})
    points = plot.scatter(
        *("x", "y"),
        source=stars,
        name="stars",
        marker="star",
        size=18,
        fill_color=_NEW,
        line_color="black",
    )
    plot.add_tools(_hover(points, [("new sample", "@sample")]))
    return plot


def _pair(source: ColumnDataSource) -> figure:
    """Its axes are there twice: for numbers, and for text, whose values are named."""
    from bokeh.models import FixedTicker, LinearAxis

    plot = _plot(source, "u", "v", drag="box_select", name="pair")
    plot.xaxis[0].name, plot.yaxis[0].name = "across numbers", "up numbers"
    tickers: dict[str, Any] = {name: FixedTicker(ticks=[]) for name in ("across", "up")}
    across, up = (
        LinearAxis(ticker=ticker, visible=False, name=f"{name} labels")
        for name, ticker in tickers.items()
    )
    across.major_label_orientation = 0.8
    plot.add_layout(across, "below")
    plot.add_layout(up, "left")
    plot.grid.grid_line_color = "#eeeeee"
    return plot


def _plot(
    source: ColumnDataSource, x: str, y: str, *, name: str, drag: str, **options: Any
) -> figure:
    from bokeh.plotting import figure

    plot = figure(
        name=name,
        height=460,
        sizing_mode="stretch_width",
        tools="lasso_select,box_select,tap,pan,box_zoom,wheel_zoom,reset,save",
        active_drag=drag,
        active_scroll=None,
        toolbar_location="above",
        background_fill_color="white",
        border_fill_color="white",
        outline_line_color="#cccccc",
        **options,
    )
    plot.toolbar.logo = None
    points = plot.scatter(
        *(x, y),
        source=source,
        name=f"samples of the {name}",
        marker="marker",
        size="size",
        fill_color="color",
        fill_alpha=0.85,
        line_color="ring",
        line_alpha=0.85,
        nonselection_fill_alpha=0.08,
        nonselection_line_alpha=0.04,
        selection_line_color="black",
        selection_fill_alpha=1,
    )
    plot.add_tools(_hover(points, [("sample", "@sample"), ("", "@call"), ("", "@value")]))
    return plot


def _hover(points: GlyphRenderer[Any], lines: list[tuple[str, str]]) -> Tool:
    from bokeh.models import HoverTool

    return HoverTool(renderers=[points], tooltips=lines, visible=False)
