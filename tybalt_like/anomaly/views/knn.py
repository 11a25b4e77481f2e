"""How far a sample lies from the nearest training samples in the latent space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from tybalt_like.anomaly.outputs import Array
from tybalt_like.anomaly.view import Reference, Samples, View

if TYPE_CHECKING:
    from sklearn.neighbors import NearestNeighbors


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
        z_nk = np.asarray(samples.outputs.z_nk, dtype=np.float64)
        return np.asarray(self._nearest.kneighbors(z_nk)[0].mean(1))

    @cached_property
    def _nearest(self) -> NearestNeighbors:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(n_neighbors=int(self.n_neighbors)).fit(self.train_mk)
