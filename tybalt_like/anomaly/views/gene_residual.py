"""What the model cannot express, so that noisy genes do not dominate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.anomaly.outputs import Array, floored, usual_error
from tybalt_like.anomaly.view import Reference, Samples, View

LEAST_SD = 0.1
"""Smallest standard deviation of a gene's residual, as a share of the median gene's."""


@dataclass(frozen=True)
class GeneResidual(
    View, name="gene_residual", says="its residual (each gene in units of its usual error)"
):
    """Root mean square of the reconstruction errors, each in units of its gene's usual error."""

    sd_g: Array

    @classmethod
    def fit(cls, train: Reference) -> Self:
        """Learn each gene's usual error on the training samples."""
        return cls(floored(usual_error(train.outputs), share=LEAST_SD))

    def score(self, samples: Samples) -> Array:
        residual_ng = samples.outputs.residual_ng
        return np.asarray(np.sqrt(np.square(residual_ng / self.sd_g).mean(1)))
