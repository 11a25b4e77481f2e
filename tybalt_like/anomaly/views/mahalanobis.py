"""How far a sample lies from the mean of the latent space, in units of its spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.anomaly.outputs import Array
from tybalt_like.anomaly.view import Reference, Samples, View


@dataclass(frozen=True)
class Mahalanobis(
    View,
    name="mahalanobis",
    title="Mahalanobis",
    says="its distance from the mean of the latent space in units of the covariance",
):
    """Distance from the mean in units of the Ledoit-Wolf covariance (Ledoit & Wolf 2004)."""

    mean_k: Array
    precision_kk: Array

    @classmethod
    def fit(cls, train: Reference) -> Self:
        from sklearn.covariance import LedoitWolf

        shape = LedoitWolf().fit(np.asarray(train.outputs.z_nk, dtype=np.float64))
        return cls(shape.location_, shape.precision_)

    def score(self, samples: Samples) -> Array:
        centred_nk = np.asarray(samples.outputs.z_nk, dtype=np.float64) - self.mean_k
        squared_n = np.einsum("nk,kl,nl->n", centred_nk, self.precision_kk, centred_nk)
        return np.asarray(np.sqrt(np.maximum(squared_n, 0)))
