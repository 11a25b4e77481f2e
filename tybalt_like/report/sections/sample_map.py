"""The map of the samples: interactive, and as figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from tybalt_like import pl
from tybalt_like.core import keys
from tybalt_like.pl.palette import MISSING, SEQUENTIAL
from tybalt_like.pl.scatter import LEGEND_ROWS
from tybalt_like.report.figure import Figure
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.section import Section

if TYPE_CHECKING:
    from anndata import AnnData

CITATIONS = [
    "UMAP: McInnes L, Healy J, Melville J. UMAP: uniform manifold approximation and projection "
    "for dimension reduction. arXiv:1802.03426 (2018).",
    "t-SNE: van der Maaten L, Hinton G. Visualizing data using t-SNE. Journal of Machine Learning "
    "Research 9:2579-2605 (2008); openTSNE: Poličar PG, Stražar M, Zupan B. Journal of "
    "Statistical Software 109:3 (2024).",
]
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


class SampleMap(Section[RunContents], name="map", title="Map", kind="run", place=40):
    """Samples in two dimensions, by label and by score."""

    heading = "Map of the samples"
    scripts = ("bokeh", "map.js")
    template = """
<p>Similar samples lie close together. Point at a sample to see its name and scores; flagged samples have a black ring. Distances between far groups mean little.</p>
<noscript><p>The interactive map needs JavaScript; the figures below show the same.</p></noscript>
<div class="controls" data-needs-script hidden>
<label>Show <select id="map-view">
{% for view in views %}
<option value="{{ view.key }}">{{ view.name }}</option>
{% endfor %}
</select></label>
<label>Colour by <select id="map-color">
{% if run.label %}<option value="label_color">{{ run.label }}</option>{% endif %}
<option value="score_color">combined score</option>
</select></label>
<label>Find <input type="search" id="map-find" placeholder="sample name" autocomplete="off"></label>
</div>
<div class="paper interactive" data-needs-script hidden>
<div id="map-plot" role="img" aria-label="Interactive map of the samples; the table above lists them."></div>
<div id="map-labels" class="legend" role="group" aria-label="Labels: press to hide or show">
{% for entry in legend %}
<button type="button" data-label="{{ entry.label }}" aria-pressed="true"><span class="dot" style="background: {{ entry.color }}"></span>{{ entry.label or 'no label' }} ({{ entry.n | count }})</button>
{% endfor %}
</div>
{% set low, high = score_range %}
<div id="map-scale" class="legend"><span>{{ '%.2f' | format(low) }}</span><span class="gradient" role="img" aria-label="from dark blue, low, to yellow, high"></span><span>{{ '%.2f' | format(high) }}</span><span>combined score</span></div>
</div>
<script type="application/json" id="map-data">{{ bokeh | tojson }}</script>
{{ ui.figures(figures) }}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        found = views(run)
        if not found:
            return None
        return {
            "views": found,
            "legend": legend(run),
            "score_range": score_range(run),
            "bokeh": interactive(run),
        }

    def figures(self, run: RunContents) -> Iterator[Figure]:
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

    def citations(self, run: RunContents) -> list[str]:
        return CITATIONS


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


def views(run: RunContents) -> list[dict[str, str]]:
    """The maps that can be shown: the prefix of their columns, and a name for readers."""
    sources = {"latent": f"latent features of {run.title()}", "genes": "genes"}
    methods = {"umap": "UMAP", "tsne": "t-SNE"}
    return [
        {"key": f"{of}_{method}", "name": f"{method_name} of {of_name}"}
        for of, of_name in sources.items()
        for method, method_name in methods.items()
        if f"{of}_{method}_1" in run.maps
    ]


def legend(run: RunContents) -> list[dict[str, Any]]:
    """Labels that occur, with their colours and counts."""
    counts = run.labels.value_counts()
    styles = {**run.palette, "": MISSING}
    return [
        {"label": label, "color": style.color, "n": int(counts[label])}
        for label, style in styles.items()
        if label in counts.index
    ]


def interactive(run: RunContents) -> dict[str, Any]:
    """The map as bokeh's JSON, for ``Bokeh.embed.embed_item``; its points are called "samples"."""
    from bokeh.embed import json_item
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.plotting import figure as bokeh_figure

    plot = bokeh_figure(
        height=560,
        sizing_mode="stretch_width",
        tools="pan,box_zoom,wheel_zoom,reset,save",
        toolbar_location="right",
        x_axis_location=None,
        y_axis_location=None,
        background_fill_color="white",
        border_fill_color="white",
        outline_line_color="#cccccc",
    )
    plot.toolbar.logo = None
    plot.grid.visible = False
    points = plot.scatter(
        "x",
        "y",
        source=ColumnDataSource(_columns(run)),
        name="samples",
        marker="marker",
        size="size",
        fill_color="color",
        fill_alpha="alpha",
        line_color="ring",
        line_alpha="alpha",
    )
    hover = [("sample", "@sample"), *([("label", "@label")] if run.label else [])]
    hover += [("split", "@split"), ("combined score", "@score{0.00}")]
    hover += [("p", "@p"), ("q", "@q"), ("flagged", "@flagged")]
    plot.add_tools(HoverTool(renderers=[points], tooltips=hover, visible=False))
    return dict(json_item(plot))


def _columns(run: RunContents) -> dict[str, Any]:
    """One entry per sample; x, y and color are what is shown, the page's script changes them."""
    style_n = [run.palette.get(label, MISSING) for label in run.labels]
    label_color = [style.color for style in style_n]
    columns: dict[str, Any] = {
        "sample": list(run.samples.index),
        "label": list(run.labels),
        "split": list(run.samples[keys.SPLIT]),
        "score": run.score().to_numpy(np.float32),
        "p": _short(run.score("p_value")),
        "q": _short(run.score("q_value")),
        "flagged": np.where(run.flagged, "yes", np.where(run.tested, "no", "not tested")).tolist(),
        "ring": np.where(run.flagged, "#000000", "#ffffff").tolist(),
        "marker": [_BOKEH_MARKERS[style.marker] for style in style_n],
        "label_color": label_color,
        "score_color": _score_colors(run),
        "color": label_color,
        "alpha": np.full(len(run.samples), 0.85, np.float32),
        "size": np.full(len(run.samples), _size(len(run.samples)), np.float32),
    }
    for name in run.maps:
        columns[str(name)] = run.maps[name].to_numpy(np.float32)
    first = views(run)[0]["key"]
    return columns | {"x": columns[f"{first}_1"], "y": columns[f"{first}_2"]}


def _size(n: int) -> float:
    return float(np.clip(260 / np.sqrt(n), 4, 10))


def _short(numbers: pd.Series) -> list[str]:
    return [f"{value:.3g}" if pd.notna(value) else "–" for value in numbers]


def score_range(run: RunContents) -> tuple[float, float]:
    """First and 99th percentile of the scores, where the colours end."""
    low, high = np.nanpercentile(run.score().to_numpy(np.float64), [1, 99])
    return float(low), float(high)


def _score_colors(run: RunContents) -> list[str]:
    from matplotlib import colormaps
    from matplotlib.colors import Normalize, to_hex

    low, high = score_range(run)
    shade = Normalize(low, high, clip=True)(run.score().to_numpy(np.float64))
    return [
        to_hex(color) for color in colormaps[SEQUENTIAL].with_extremes(bad=MISSING.color)(shade)
    ]
