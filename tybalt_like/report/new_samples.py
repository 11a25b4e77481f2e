"""What the folder of new samples holds, scored by a finished run and placed on its map."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Self

import pandas as pd

from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.report.run_contents import RunContents

KIND = "score"
SCORES, GENES, PLACED = "scores.tsv", "gene_scores.tsv.gz", "placed.tsv.gz"
VALUES = "gene_values.tsv.gz"
NEW, LABEL = "new", "cohort"
"""Split of the new samples, and their label where they have none; what labels are called where the
run has none."""


class NewSamples(RunContents, kind=KIND):
    """New samples; `everyone` is they and those of the run, as the map shows them."""

    files: ClassVar[Mapping[str, str]] = {
        SCORES: "scores, p- and q-values of the new samples, by every detector",
        GENES: "the genes that make each new sample strange",
        VALUES: "genes of the run's samples that are strange, in all samples",
        PLACED: "new samples and those of the run, with their place on its map",
        "tybalt_like_mqc.json": "the new samples for MultiQC, which finds the file by its name",
        "run.json": "which run scored them, versions, warnings",
    }
    whole = False

    @property
    def kicker(self) -> str:
        return "new samples"

    @property
    def lead(self) -> str:
        """How many samples are flagged, if p-values can be given."""
        return super().lead if self.score("p_value").notna().any() else str(self.about["refused"])

    @cached_property
    def everyone(self) -> Self:
        """The same with the samples of the run."""
        other = type(self)(self.folder, self.about)
        other.whole = True
        return other

    @cached_property
    def _placed(self) -> pd.DataFrame:
        table = self.needed(PLACED, index="sample")
        return table if self.whole else table[table[keys.SPLIT] == NEW]

    @cached_property
    def samples(self) -> pd.DataFrame:
        return self._placed[[keys.SPLIT, self.about["label"]]]

    @cached_property
    def latent(self) -> pd.DataFrame:
        return self._placed[[]]

    @cached_property
    def maps(self) -> pd.DataFrame:
        maps: list[str] = self.about["maps"]
        return self._placed[maps]

    @cached_property
    def labels(self) -> pd.Series:
        """Label of every sample; among those of the run, new ones have labels of their own."""
        labels, new = super().labels, self._placed[keys.SPLIT] == NEW
        if not self.whole:
            return labels
        own = (NEW + ": " + labels).where(~labels.isin(["", NEW]), NEW)
        return labels.mask(new, own)

    @cached_property
    def scores(self) -> pd.DataFrame:
        return tables.long(self._placed, self.about["score_columns"])

    @cached_property
    def tested(self) -> pd.Series:
        return self._placed[keys.SPLIT] == NEW

    @cached_property
    def normals(self) -> pd.Series:
        return super().normals & ~self.tested
