"""What the model has learned, and how training went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like import pl
from tybalt_like.core import keys
from tybalt_like.pl.palette import Style
from tybalt_like.report.figure import Figure
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.section import Section
from tybalt_like.report.words import sentence

SPLITS = {
    keys.TRAIN: Style("#D9D9D9", "o"),
    keys.VALIDATION: Style("#B5B5B5", "o"),
    keys.CALIBRATION: Style("#8F8F8F", "o"),
    keys.TEST: Style("#5F5F5F", "o"),
    keys.QUERY: Style("#1F1F1F", "o"),
}
"""Greys, apart from the colours of the labels; the darker, the less the model knows them."""


class LearnedModel(Section[RunContents], name="model", title="Model", kind="run", place=90):
    """Figures of the latent features and of the losses."""

    heading = "What the model has learned"
    template = """
{{ ui.figures(figures) }}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        return {} if any(True for _ in self.figures(run)) else None

    def figures(self, run: RunContents) -> Iterator[Figure]:
        history = run.needed("history.csv")
        if run.latent.std().gt(0).any():
            yield Figure(
                "latent_heatmap",
                "What the latent features do",
                f"Clustered heat map of {run.latent.shape[1]} latent features in {len(run.latent)} "
                "samples.",
                "Rows are latent features, columns are samples; red is above the feature's average, "
                "blue below. Both are ordered so that similar ones are neighbours."
                + " A feature that is red in one label only has learned something about it."
                * (run.label is not None),
                lambda: pl.latent_heatmap(
                    run.adata(),
                    model=run.model,
                    labels=[*([run.label] if run.label else []), keys.SPLIT],
                    palettes={keys.SPLIT: SPLITS} | ({run.label: run.palette} if run.label else {}),
                ),
            )
        if len(history):
            floor = run.about["entropy_floor"]
            yield Figure(
                "training",
                "How training went",
                "Training and validation loss by epoch.",
                f"{sentence(run.about['model']['stopped'])} {_advice(history)}"
                + ("" if floor is None else " No model can get below the dashed line."),
                lambda: pl.training(
                    history, entropy_floor=floor, best_epoch=run.about["model"]["best_epoch"]
                ),
            )


def _advice(history: pd.DataFrame) -> str:
    """What to look for in the losses."""
    if "train_generator_loss" in history:
        return (
            "Generator and critic play against each other: losses that stay level and apart from "
            "0 are a game in balance, not a lack of progress. A loss of the critic that falls to 0 "
            "for good is a lost game. Judge the generator by what it makes."
        )
    return (
        "Losses should fall and level off; a validation loss that rises again while the training "
        "loss falls is overfitting."
    )
