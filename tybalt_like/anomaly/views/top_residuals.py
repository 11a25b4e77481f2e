"""The few genes that the model misses by most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from tybalt_like.anomaly.outputs import Array, floored, root_mean_of_largest, usual_error
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
        return cls(floored(usual_error(train.outputs), share=LEAST_SD))

    def score(self, samples: Samples) -> Array:
        return root_mean_of_largest(samples.outputs.residual_ng / self.sd_g)
