"""How far a sample lies from the nearest training samples in the latent space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.anomaly.outputs import Array
from tybalt_like.anomaly.view import Reference, Samples, View


@dataclass(frozen=True)
class KNN(
    View,
    name="knn",
    title="kNN",
    says="its mean distance to the nearest training samples in the latent space",
):
    """Mean Euclidean distance to the nearest training samples in the latent space."""

    train_mk: Array
    n_neighbors: Array

    @classmethod
    def fit(cls, train: Reference) -> Self:
        train_mk = np.asarray(train.outputs.z_nk, dtype=np.float64)
        return cls(train_mk, np.array(min(train.n_neighbors, len(train_mk))))

    def score(self, samples: Samples) -> Array:
        from sklearn.neighbors import NearestNeighbors

        z_nk = np.asarray(samples.outputs.z_nk, dtype=np.float64)
        nearest = NearestNeighbors(n_neighbors=int(self.n_neighbors)).fit(self.train_mk)
        return np.asarray(nearest.kneighbors(z_nk)[0].mean(1))
