"""What the folder of a comparison of runs holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from tybalt_like.report.contents import Contents
from tybalt_like.report.run_contents import title

KIND = "comparison"
SAMPLES, PAIRS, DETECTION = "samples.tsv.gz", "scores.tsv", "detection.tsv"
ENCODINGS, LATENTS, SETTINGS = "encodings.tsv", "latents.tsv", "settings.tsv"


class Comparison(Contents, kind=KIND):
    """Several runs over the same samples."""

    files: ClassVar[Mapping[str, str]] = {
        SAMPLES: "rank, p, q and call of every sample in every run",
        PAIRS: "how well every two scores agree",
        DETECTION: "how well every score finds the named anomalies",
        ENCODINGS: "what was measured of the encodings",
        LATENTS: "how alike the latent spaces are",
        SETTINGS: "settings that differ",
        "run.json": "which runs, versions, warnings",
    }
    text: ClassVar[frozenset[str]] = frozenset(
        {"sample", "label", "run", "other_run", "anomaly", "column", "key", "what"}
    )

    @property
    def kicker(self) -> str:
        return "comparison"

    @property
    def lead(self) -> str:
        return str(self.about["summary"][0])

    @property
    def names(self) -> list[str]:
        """Of the runs, in the order in which they were given."""
        return [run["name"] for run in self.about["runs"]]

    @property
    def chosen(self) -> list[tuple[str, str]]:
        """Run and detector of the scores that are compared sample by sample."""
        return [(run, scorer) for run, scorer in self.about["chosen"]]

    def titled(self, run: str, scorer: str) -> str:
        """Name of a score as people write it."""
        return f"{run}: {title(scorer)}"

    def text_columns(self) -> frozenset[str]:
        return self.text | set(self.names)

    def between_chosen(self) -> pd.DataFrame:
        """Of the pairs of scores, those that are compared sample by sample."""
        return between(self.needed(PAIRS), self.chosen)


def between(pairs: pd.DataFrame, chosen: list[tuple[str, str]]) -> pd.DataFrame:
    """The pairs of which both scores were chosen."""
    one = zip(pairs["run"], pairs["scorer"], strict=True)
    other = zip(pairs["other_run"], pairs["other_scorer"], strict=True)
    return pairs[[a in chosen and b in chosen for a, b in zip(one, other, strict=True)]]
