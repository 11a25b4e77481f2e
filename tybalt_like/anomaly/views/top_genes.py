"""The few genes that are furthest from what they are in the training samples: no model involved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.anomaly.outputs import Array, floored, root_mean_of_largest
from tybalt_like.anomaly.view import Reference, Samples, View
from tybalt_like.anomaly.views.gene_residual import LEAST_SD


@dataclass(frozen=True)
class TopGenes(
    View,
    name="top_genes",
    says="its most extreme genes (the hundredth furthest from their training means, each in "
    "standard deviations)",
):
    """Root mean square of the largest 1 % of the standardised values, at least one."""

    mean_g: Array
    sd_g: Array

    @classmethod
    def fit(cls, train: Reference) -> Self:
        x_ng = np.asarray(train.outputs.x_ng, dtype=np.float64)
        return cls(x_ng.mean(0), floored(x_ng.std(0), share=LEAST_SD))

    def score(self, samples: Samples) -> Array:
        return root_mean_of_largest((samples.outputs.x_ng - self.mean_g) / self.sd_g)
