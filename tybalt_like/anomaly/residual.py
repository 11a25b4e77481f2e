"""What the model cannot express: reconstruction errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.anomaly.outputs import Array, Evidence, floored

LEAST_SD = 0.1
"""Smallest standard deviation of a gene's residual, as a share of the median gene's."""


@dataclass(frozen=True)
class Residual:
    """The error of every gene in units of its usual error, so that noisy genes do not dominate."""

    sd_g: Array

    @classmethod
    def fit(cls, train: Evidence) -> Self:
        """Learn each gene's usual error on the training samples.

        They are fitted better than new samples are, but only the ratio of the genes matters here.
        """
        return cls(floored(np.sqrt(np.square(train.residual_ng).mean(0)), share=LEAST_SD))

    def score(self, samples: Evidence) -> dict[str, Array]:
        """``reconstruction``: mean squared error; ``gene_residual``: root mean square of the
        standardised errors."""
        residual_ng = samples.residual_ng
        return {
            "reconstruction": np.square(residual_ng).mean(1),
            "gene_residual": np.sqrt(np.square(residual_ng / self.sd_g).mean(1)),
        }
