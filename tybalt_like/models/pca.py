"""Principal component analysis, the baseline that stands beside every model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tybalt_like.models.base import Model


@dataclass(frozen=True)
class PCAConfig:
    """Settings of `PCA`.

    Parameters
    ----------
    latent_dim
        Number of components, cut to ``min(n_obs, n_vars)`` of the training data.
    """

    latent_dim: int = 20


class PCA(Model, name="pca"):
    """Orthogonal projection on the directions of largest variance (Pearson 1901).

    Solved by scikit-learn's full SVD, which is deterministic, in float64.
    """

    Config = PCAConfig

    def __init__(self, n_vars: int, config: PCAConfig) -> None:
        super().__init__(n_vars, config)
        self.register_buffer("mean_g", torch.zeros(n_vars))
        self.register_buffer("components_kg", torch.zeros(config.latent_dim, n_vars))

    mean_g: Tensor
    components_kg: Tensor

    def fit_exactly(self, x_ng: Tensor) -> None:
        from sklearn.decomposition import PCA as Exact

        k = min(self.config.latent_dim, *x_ng.shape)
        exact = Exact(n_components=k, svd_solver="full").fit(x_ng.cpu().double().numpy())
        self.mean_g.copy_(torch.from_numpy(exact.mean_))
        self.components_kg.zero_()[:k] = torch.from_numpy(exact.components_)

    def embed(self, x_ng: Tensor) -> Tensor:
        return (x_ng - self.mean_g) @ self.components_kg.T

    def decode(self, z_nk: Tensor) -> Tensor:
        return z_nk @ self.components_kg + self.mean_g

    def weights(self) -> Tensor:
        return self.components_kg
