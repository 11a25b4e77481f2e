"""Where images are strange: what the model makes of them, and the difference."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tybalt_like.images.figure_data import FigureData
from tybalt_like.images.residual_maps import residual_maps
from tybalt_like.report.figure import Figure
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.section import Section


class Strange(Section[RunContents], name="strange", title="Strange images", kind="run", place=84):
    """Two rows of images, with maps."""

    template = """
{{ ui.figures(figures) }}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        return {} if FigureData.load(run.folder).of("strange") else None

    def figures(self, run: RunContents) -> Iterator[Figure]:
        yield from _strange(run, FigureData.load(run.folder))


def _strange(run: RunContents, data: FigureData) -> Iterator[Figure]:
    titles = {
        "strange": "Where are strange images strange?",
        "usual": "And the usual ones?",
    }
    captions = {
        "strange": "Above, tested images of other labels, each of median score for its label; in "
        "the middle what the model makes of them; below, where they differ (bright).",
        "usual": "Held-out images of the reference, at even steps from the least to the most "
        "strange one: on the right are the false alarms.",
    }
    if not set(run.about["anomalies"]):
        captions["strange"] = (
            "Above, the strangest held-out images; in the middle what the model makes of them; "
            "below, where they differ (bright)."
        )
    for name, title in titles.items():
        rows = data.of(name)
        if not rows:
            continue
        labels = [str(label) for label in data.arrays[f"labels/{name}"]]
        scored = data.rows("score of images")
        scores = scored[scored["item"] == name]["value"]
        columns = [f"{a}\n{s:.2f}".strip() for a, s in zip(labels, scores, strict=True)]
        yield Figure(
            f"images_{name}",
            title,
            "Images, what the model makes of them, and the difference.",
            captions[name] + " Numbers: the combined score.",
            partial(residual_maps, rows, columns=columns),
        )
