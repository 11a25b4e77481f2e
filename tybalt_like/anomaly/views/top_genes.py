"""The few genes that are furthest from what they are in the training samples: no model involved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.anomaly.outputs import Array, root_mean_of_largest
from tybalt_like.anomaly.view import Reference, Samples, View


@dataclass(frozen=True)
class TopGenes(
    View,
    name="top_genes",
    says="its most extreme genes (the hundredth furthest from their training means, each in "
    "standard deviations)",
):
    """Root mean square of the largest 1 % of the standardised values, at least one; genes that are
    constant in training are left out."""

    mean_g: Array
    weight_g: Array

    @classmethod
    def fit(cls, train: Reference) -> Self:
        x_ng = np.asarray(train.outputs.x_ng, dtype=np.float64)
        sd_g, largest = x_ng.std(0), float(np.abs(x_ng).max(initial=0))
        varies_g = sd_g > 1e-8 * max(1.0, largest)
        weight_g = np.divide(1.0, sd_g, out=np.zeros_like(sd_g), where=varies_g)
        return cls(x_ng.mean(0), weight_g)

    def score(self, samples: Samples) -> Array:
        return root_mean_of_largest((samples.outputs.x_ng - self.mean_g) * self.weight_g)
