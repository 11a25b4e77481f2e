"""What a generator of images makes, and how good and how varied it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tybalt_like.images.drawing import image_rows, image_sheets
from tybalt_like.images.figure_data import FigureData, by_measure
from tybalt_like.images.plots import bars
from tybalt_like.images.residual_maps import image_guess
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.section import Section

QUALITY = {
    "frechet distance": "Frechet distance",
    "precision": "precision",
    "recall": "recall",
    "distance to training images": "to nearest training image",
}


class Generated(
    Section[RunContents], name="generated", title="Generated images", kind="run", place=82
):
    """A table beside real images, samples, their nearest training images, and their labels."""

    template = """
{% for sentence in said %}
<p>{{ sentence }}</p>
{% endfor %}
{% if table %}
{{ ui.measured("Quality of generated images", "Generated images beside real ones", "", table) }}
<p class="note">In the features of a classifier trained on the training images of this run, against training images; test images show what nobody does better than. Frechet distance: of two normal distributions with the same means and covariances (smaller is better; comparable within this run only). Precision: share of samples that lie among real images; recall: share of real images that lie among samples (Kynkäänniemi et al. 2019). Distances are medians in pixel space.</p>
{% endif %}
{{ ui.figures(figures) }}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        data = FigureData.load(run.folder)
        if not data.of("made"):
            return None
        return {"table": quality(data), "said": said(run, data)}

    def figures(self, run: RunContents) -> Iterator[Figure]:
        data = FigureData.load(run.folder)
        for several in (_made, _learning, _shares):
            yield from several(run, data)


def quality(data: FigureData) -> dict[str, Any]:
    """Columns and rows of the table on samples; empty where none were judged."""
    rows = data.table[data.table["measure"].isin(QUALITY)]
    return by_measure(rows, index="item", columns="measure", headings=QUALITY, main="samples")


def said(run: RunContents, data: FigureData) -> list[str]:
    """How good and how varied the samples are, in sentences."""
    shares = data.rows("share")
    if shares.empty:
        return []
    accuracy = float(data.rows("accuracy of the classifier")["value"].iloc[0])
    made = shares[shares["item"] == "samples"].set_index("model")["value"]
    return [
        f"Samples of {run.title()} as a classifier sees them that is right for {accuracy:.1%} of "
        f"the test images: {(made > 0).sum()} of {len(made)} labels occur, the rarest, "
        f"{made.idxmin()}, in {made.min():.1%} of the samples, the commonest, {made.idxmax()}, in "
        f"{made.max():.1%}."
    ]


def _made(run: RunContents, data: FigureData) -> Iterator[Figure]:
    made = data.of("made")
    if not made:
        return
    yield Figure(
        "images_made",
        "What the generator makes",
        "A sheet of generated images.",
        f"Images that {run.title()} makes of codes drawn from its prior; the first ones, none "
        "picked.",
        lambda: image_sheets({"samples": made["samples"]}, side=8.2),
    )
    guess = data.of("guess")
    yield Figure(
        "images_guess",
        "Which one is real?",
        "Generated and real images mixed, twice; in the second copy the real ones are framed.",
        "Half of these images are real test images, half were made. Guess above, look below.",
        lambda: image_guess(guess["images"], guess["real"]),
    )
    pairs = data.of("nearest")
    yield Figure(
        "images_copied",
        "Are they copies?",
        "Generated images and the training image nearest to each.",
        "Samples and, below each, the training image that is nearest in pixels. A generator that "
        "copied its training images would show the same twice.",
        lambda: image_rows(pairs),
    )


def _learning(_: RunContents, data: FigureData) -> Iterator[Figure]:
    grown = data.of("growth")
    if grown:
        counts = sorted(map(int, grown))
        yield Figure(
            "images_growth",
            "The same codes while the generator learned",
            "Images of twelve fixed codes after more and more updates of the generator.",
            "Each column is one code, each row the generator after that many updates: first noise, "
            "then strokes, then digits that change less and less.",
            lambda: image_rows({_updates(n): grown[str(n)] for n in counts}),
        )


def _updates(n: int) -> str:
    return "1 update" if n == 1 else f"{n:,} updates"


def _shares(_: RunContents, data: FigureData) -> Iterator[Figure]:
    shares = data.rows("share")
    if shares.empty:
        return
    by_label = {
        str(label): dict(zip(rows["item"], 100 * rows["value"], strict=True))
        for label, rows in shares.groupby("model", sort=True)
    }
    yield Figure(
        "images_shares",
        "Is every label made as often as it occurs?",
        "Share of each label among samples and among training images.",
        "Labels that the classifier gives to generated images, beside those of the training "
        "images. A label that is missing on one side only has been forgotten (mode collapse).",
        lambda: drawing_of(bars(by_label, x="share in per cent")),
    )
