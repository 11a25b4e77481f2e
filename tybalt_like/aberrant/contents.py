"""What the folder of aberrant counts holds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import pandas as pd

from tybalt_like.aberrant.analysis import KIND, PAIRS, SAMPLES, SIGNIFICANT
from tybalt_like.report.contents import Contents
from tybalt_like.report.words import counted


class AberrantContents(Contents, kind=KIND):
    """Tested pairs of gene and sample, and the samples."""

    files: ClassVar[Mapping[str, str]] = {
        PAIRS: "every tested pair of gene and sample, significant ones first",
        SIGNIFICANT: "the significant ones only",
        SAMPLES: "one row per sample",
        "run.json": "settings, versions and warnings",
        "reference.json": "the fitted cohort, with model.safetensors; name this folder with "
        "--using to test new samples",
    }
    text: ClassVar[frozenset[str]] = frozenset({"gene", "sample", "genes"})

    @property
    def kicker(self) -> str:
        return "aberrant genes"

    @property
    def lead(self) -> str:
        """How many counts of how many genes and samples are aberrant."""
        samples = counted(len(self.samples))
        if not self.n_called:
            return f"No gene is aberrant in any of {samples}."
        genes = counted(
            self.pairs.loc[self.pairs["padjust"] <= self.alpha, "gene"].nunique(), "gene"
        )
        hit = int((self.samples["aberrant"] > 0).sum())
        return f"{counted(self.n_called, 'aberrant count')} of {genes} in {hit:,} of {samples}."

    @property
    def alpha(self) -> float:
        """Largest adjusted p-value of an aberrant count."""
        return float(self.about["alpha"])

    @property
    def pairs(self) -> pd.DataFrame:
        """Every tested pair, aberrant ones first."""
        return self.needed(PAIRS)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per sample, those with most aberrant genes first."""
        return self.needed(SAMPLES).fillna({"genes": ""})

    @property
    def n_called(self) -> int:
        """Aberrant counts."""
        return int(self.samples["aberrant"].sum())
