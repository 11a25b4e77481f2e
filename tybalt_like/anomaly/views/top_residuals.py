"""The few genes that the model misses by most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.anomaly.outputs import Array, floored, root_mean_of_largest
from tybalt_like.anomaly.view import Reference, Samples, View
from tybalt_like.anomaly.views.gene_residual import LEAST_SD

MOST = 0.9
"""Leverage of samples that determine their own fitted value alone."""


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
        """Learn each gene's usual error on the training samples, as it is for others.

        A model of few samples has bent towards each of them: a residual is as much larger without
        the sample as one less its leverage, that of a regression on the latent features, is below
        one (Cook & Weisberg 1982).
        """
        outputs = train.outputs
        left_n1 = 1 - np.minimum(_leverage(outputs.z_nk), MOST)[:, None]
        error_g = np.sqrt(np.square(outputs.residual_ng / left_n1).mean(0))
        return cls(floored(error_g, share=LEAST_SD))

    def score(self, samples: Samples) -> Array:
        return root_mean_of_largest(samples.outputs.residual_ng / self.sd_g)


def _leverage(z_nk: NDArray[np.floating]) -> Array:
    """How much each sample determines its own fitted value, (n,)."""
    exact_nk = np.asarray(z_nk, dtype=np.float64)
    basis, spread_k, _ = np.linalg.svd(exact_nk - exact_nk.mean(0), full_matrices=False)
    basis = basis[:, spread_k > 1e-6 * max(spread_k[0], 1e-12)]
    return np.asarray(1 / len(exact_nk) + np.square(basis).sum(1))
