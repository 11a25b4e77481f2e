"""The interactive map of the samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tybalt_like.pl.palette import MISSING, SEQUENTIAL

if TYPE_CHECKING:
    from tybalt_like.report.contents import Contents

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


def views(run: Contents) -> list[dict[str, str]]:
    """The maps that can be shown: the prefix of their columns, and a name for readers."""
    sources = {"latent": f"latent features of {run.title()}", "genes": "genes"}
    methods = {"umap": "UMAP", "tsne": "t-SNE"}
    return [
        {"key": f"{of}_{method}", "name": f"{method_name} of {of_name}"}
        for of, of_name in sources.items()
        for method, method_name in methods.items()
        if f"{of}_{method}_1" in run.pictures
    ]


def legend(run: Contents) -> list[dict[str, Any]]:
    """Labels that occur, with their colours and counts."""
    counts = run.labels.value_counts()
    styles = {**run.palette, "": MISSING}
    return [
        {"label": label, "color": style.color, "n": int(counts[label])}
        for label, style in styles.items()
        if label in counts.index
    ]


def figure(run: Contents) -> dict[str, Any]:
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


def _columns(run: Contents) -> dict[str, Any]:
    """One entry per sample; x, y and color are what is shown, the page's script changes them."""
    style_n = [run.palette.get(label, MISSING) for label in run.labels]
    label_color = [style.color for style in style_n]
    columns: dict[str, Any] = {
        "sample": list(run.samples.index),
        "label": list(run.labels),
        "split": list(run.samples["split"]),
        "score": run.score("combined").to_numpy(np.float32),
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
    for name in run.pictures:
        columns[str(name)] = run.pictures[name].to_numpy(np.float32)
    first = views(run)[0]["key"]
    return columns | {"x": columns[f"{first}_1"], "y": columns[f"{first}_2"]}


def _size(n: int) -> float:
    return float(np.clip(260 / np.sqrt(n), 4, 10))


def _short(numbers: pd.Series) -> list[str]:
    return [f"{value:.3g}" if pd.notna(value) else "–" for value in numbers]


def score_range(run: Contents) -> tuple[float, float]:
    """First and 99th percentile of the scores, where the colours end."""
    low, high = np.nanpercentile(run.score("combined").to_numpy(np.float64), [1, 99])
    return float(low), float(high)


def _score_colors(run: Contents) -> list[str]:
    from matplotlib import colormaps
    from matplotlib.colors import Normalize, to_hex

    low, high = score_range(run)
    shade = Normalize(low, high, clip=True)(run.score("combined").to_numpy(np.float64))
    return [
        to_hex(color) for color in colormaps[SEQUENTIAL].with_extremes(bad=MISSING.color)(shade)
    ]
