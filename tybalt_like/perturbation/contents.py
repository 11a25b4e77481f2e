"""What the folder of a run over treated samples holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from tybalt_like.perturbation.design import TABLE
from tybalt_like.report.contents import Contents
from tybalt_like.report.words import counted

MAX_DRUGS = 12
"""Drugs with figures of their own."""
NAMED = 3
"""Drugs in the first sentence."""


class PairedContents(Contents, kind=TABLE):
    """Predictions of responses and of treated profiles, by drug."""

    files: ClassVar[Mapping[str, str]] = {
        "run.json": "recipe, versions, seed, warnings",
        "predictions.tsv.gz": "every held-out sample: its response, and what each method says",
        "responses.tsv": "how well responses were predicted, with 95 % intervals",
        "changes.tsv": "how well treated profiles were predicted, per held-out value",
        "genes.tsv.gz": "mean measured and predicted change and interval of every gene",
        "latent.tsv.gz": "latent features of every sample before and after treatment",
        "trainings.tsv": "every training: sizes, epochs, seconds",
        "jobs": "every training's results; with nothing held out also the model and its normaliser",
    }
    text: ClassVar[frozenset[str]] = frozenset(
        {"drug", "sample", "group", "gene", "method", "measure", "fold", "state"}
    )

    @property
    def kicker(self) -> str:
        return f"{self.model} · simulated data" if self.about["simulated"] else self.model

    @property
    def lead(self) -> str:
        """How many pairs, single samples, groups and known responses each drug has."""
        units = self.about["units"]
        said = []
        for drug, n in list(units.items())[:NAMED]:
            parts = [f"{counted(n['pairs'], 'pair')} of untreated and treated samples"]
            parts += [counted(n["single"], "single sample")] if n["single"] else []
            parts.append(counted(n["groups"], "group"))
            known = f"; the response of {n['known']:,} is known" if len(self.responses) else ""
            said.append(f"{drug}: " * self.several + ", ".join(parts) + known + ".")
        rest = len(units) - NAMED
        return " ".join([*said, f"And {counted(rest, 'more drug')}."] if rest > 0 else said)

    @property
    def model(self) -> str:
        """Name of the run's model."""
        return str(self.about["model"]["name"])

    @property
    def several(self) -> bool:
        """Whether there are several drugs."""
        return len(self.about["units"]) > 1

    @property
    def responses(self) -> pd.DataFrame:
        """How well responses were predicted; empty for models that predict none."""
        return self.table("responses.tsv")

    @property
    def predictions(self) -> pd.DataFrame:
        """What each method says of held-out samples."""
        return self.table("predictions.tsv.gz")

    @property
    def changes(self) -> pd.DataFrame:
        """How well treated profiles were predicted; empty for models that predict none."""
        return self.table("changes.tsv")

    def drugs(self) -> list[tuple[int, str, str]]:
        """Drugs with figures of their own: number, name, and what ends their titles."""
        shown = list(self.about["units"])[:MAX_DRUGS]
        return [(i, drug, f", {drug}" if self.several else "") for i, drug in enumerate(shown, 1)]


def of_drug(table: pd.DataFrame, drug: str) -> pd.DataFrame:
    """The rows of a drug."""
    return table[table["drug"] == drug] if len(table) else table
