"""The few genes that the model misses by most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.anomaly.outputs import Array, floored, root_mean_of_largest
from tybalt_like.anomaly.view import Reference, Samples, View
from tybalt_like.anomaly.views.gene_residual import LEAST_SD


@dataclass(frozen=True)
class TopResiduals(
    View,
    name="top_residuals",
    says="its largest residuals (the hundredth of the genes that the model misses by most, each "
    "in units of its usual error)",
):
    """Root mean square of the largest 1 % of the reconstruction errors, at least one, each in
    units of its gene's usual error."""

    sd_g: Array

    @classmethod
    def fit(cls, train: Reference) -> Self:
        """Learn each gene's usual error on the training samples."""
        error_g = np.sqrt(np.square(train.outputs.residual_ng).mean(0))
        return cls(floored(error_g, share=LEAST_SD))

    def score(self, samples: Samples) -> Array:
        return root_mean_of_largest(samples.outputs.residual_ng / self.sd_g)
