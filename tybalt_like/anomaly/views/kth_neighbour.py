"""How far a sample is from a good part of the training samples on the main axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from tybalt_like.anomaly.outputs import Array
from tybalt_like.anomaly.view import Reference, Samples, View

if TYPE_CHECKING:
    from sklearn.neighbors import NearestNeighbors

N_AXES = 5
LEAST, SHARE = 5, 0.1
"""Which neighbour: a tenth of the training samples away, so that a few strange ones among these
cannot vouch for each other; at least the fifth."""
MOST = 20_000
"""Training samples that are kept, drawn at random: a tenth of so many is as far away as a tenth of
all, and each sample is compared with all that are kept."""


@dataclass(frozen=True)
class KthNeighbour(
    View,
    name="kth_neighbour",
    title="k-th neighbour",
    says="how far the nearest tenth of the training samples is from it on the main axes of the "
    "latent space",
):
    """Euclidean distance to the k-th nearest training sample on the first five principal axes of
    the latent space; between two neighbours where a tenth is no whole number."""

    mean_k: Array
    axes_ka: Array
    train_ma: Array

    @classmethod
    def fit(cls, train: Reference) -> Self:
        z_mk = np.asarray(train.outputs.z_nk, dtype=np.float64)
        mean_k = z_mk.mean(0)
        axes_ka = np.linalg.svd(z_mk - mean_k, full_matrices=False)[2][:N_AXES].T
        if len(z_mk) > MOST:
            z_mk = z_mk[np.random.default_rng(0).permutation(len(z_mk))[:MOST]]
        return cls(mean_k, axes_ka, (z_mk - mean_k) @ axes_ka)

    def score(self, samples: Samples) -> Array:
        at_na = (np.asarray(samples.outputs.z_nk, np.float64) - self.mean_k) @ self.axes_ka
        k = self._k
        below, above = int(k), int(np.ceil(k))
        near_nk = self._nearest.kneighbors(at_na)[0]
        return np.asarray(
            near_nk[:, below - 1] + (k - below) * (near_nk[:, above - 1] - near_nk[:, below - 1])
        )

    @property
    def _k(self) -> float:
        m = len(self.train_ma)
        return min(max(float(LEAST), SHARE * m), float(m))

    @cached_property
    def _nearest(self) -> NearestNeighbors:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(n_neighbors=int(np.ceil(self._k))).fit(self.train_ma)
