"""Figures of what a generator makes, and of where images are strange."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from tybalt_like import pl
from tybalt_like.report.picture import Picture, figure_of
from tybalt_like.report.tables import by_measure

if TYPE_CHECKING:
    from tybalt_like.report.contents import Contents

SECTION = "images"
QUALITY = {
    "frechet distance": "Frechet distance",
    "precision": "precision",
    "recall": "recall",
    "distance to training images": "to nearest training image",
}


def quality(run: Contents) -> dict[str, Any]:
    """Columns and rows of the table on samples; empty where nothing was made."""
    rows = run.gallery.table[run.gallery.table["measure"].isin(QUALITY)]
    return by_measure(rows, index="item", columns="measure", headings=QUALITY, main="samples")


def said(run: Contents) -> list[str]:
    """How good and how varied the samples are, in sentences."""
    shares = run.gallery.rows("share")
    if shares.empty:
        return []
    accuracy = float(run.gallery.rows("accuracy of the classifier")["value"].iloc[0])
    made = shares[shares["item"] == "samples"].set_index("model")["value"]
    return [
        f"Samples of {run.title()} as a classifier sees them that is right for {accuracy:.1%} of "
        f"the test images: {(made > 0).sum()} of {len(made)} labels occur, the rarest, "
        f"{made.idxmin()}, in {made.min():.1%} of the samples, the commonest, {made.idxmax()}, in "
        f"{made.max():.1%}."
    ]


def pictures(run: Contents) -> Iterator[Picture]:
    """The figures that the run has pictures for."""
    yield from _made(run)
    yield from _learning(run)
    yield from _shares(run)
    yield from _strange(run)


def _picture(name: str, title: str, alt: str, caption: str, draw: Any) -> Picture:
    return Picture(name, title, alt, caption, draw, SECTION)


def _made(run: Contents) -> Iterator[Picture]:
    made = run.gallery.of("made")
    if not made:
        return
    yield _picture(
        "images_made",
        "What the generator makes",
        "A sheet of generated images.",
        f"Images that {run.title()} makes of codes drawn from its prior; the first ones, none "
        "picked.",
        lambda: pl.image_sheets({"samples": made["samples"]}, side=8.2),
    )
    guess = run.gallery.of("guess")
    yield _picture(
        "images_guess",
        "Which one is real?",
        "Generated and real images mixed, twice; in the second copy the real ones are framed.",
        "Half of these images are real test images, half were made. Guess above, look below.",
        lambda: pl.image_guess(guess["images"], guess["real"]),
    )
    pairs = run.gallery.of("nearest")
    yield _picture(
        "images_copied",
        "Are they copies?",
        "Generated images and the training image nearest to each.",
        "Samples and, below each, the training image that is nearest in pixels. A generator that "
        "copied its training images would show the same twice.",
        lambda: pl.image_rows(pairs),
    )


def _learning(run: Contents) -> Iterator[Picture]:
    grown = run.gallery.of("growth")
    if grown:
        counts = sorted(map(int, grown))
        yield _picture(
            "images_growth",
            "The same codes while the generator learned",
            "Images of twelve fixed codes after more and more updates of the generator.",
            "Each column is one code, each row the generator after that many updates: first noise, "
            "then strokes, then digits that change less and less.",
            lambda: pl.image_rows({_updates(n): grown[str(n)] for n in counts}),
        )


def _updates(n: int) -> str:
    return "1 update" if n == 1 else f"{n:,} updates"


def _shares(run: Contents) -> Iterator[Picture]:
    shares = run.gallery.rows("share")
    if shares.empty:
        return
    by_label = {
        str(label): dict(zip(rows["item"], 100 * rows["value"], strict=True))
        for label, rows in shares.groupby("model", sort=True)
    }
    yield _picture(
        "images_shares",
        "Is every label made as often as it occurs?",
        "Share of each label among samples and among training images.",
        "Labels that the classifier gives to generated images, beside those of the training "
        "images. A label that is missing on one side only has been forgotten (mode collapse).",
        lambda: figure_of(pl.bars(by_label, x="share in per cent")),
    )


def _strange(run: Contents) -> Iterator[Picture]:
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
        rows = run.gallery.of(name)
        if not rows:
            continue
        labels = [str(label) for label in run.gallery.arrays[f"labels/{name}"]]
        scored = run.gallery.rows("score of images")
        scores = scored[scored["item"] == name]["value"]
        columns = [f"{a}\n{s:.2f}".strip() for a, s in zip(labels, scores, strict=True)]
        yield _picture(
            f"images_{name}",
            title,
            "Images, what the model makes of them, and the difference.",
            captions[name] + " Numbers: the combined score.",
            lambda rows=rows, columns=columns: pl.residual_maps(rows, columns=columns),
        )


def curves_by_label(run: Contents) -> Picture:
    """ROC and precision-recall of the combined score, a curve for each anomalous label."""
    scored = pd.DataFrame({"score": run.score("combined"), "label": run.labels})
    anomalies = list(run.about["anomalies"])
    rows = (run.held_out | run.labels.isin(anomalies)) & scored["score"].notna()
    return Picture(
        "detection_by_label",
        f"Finding each of {len(anomalies)} labels",
        "ROC and precision-recall curves of the combined score, for every anomalous label.",
        f"The combined score of {run.title()}: images of each label against the held-out normal "
        "ones, for every possible threshold. Left: the share of anomalies found against the share "
        "of normal samples wrongly called. Right: how many of the samples called are truly "
        "anomalous, which depends on how common the label is.",
        lambda: pl.detection_by_label(scored[rows], normal=run.held_out[rows], palette=run.palette),
    )
