"""Principal component analysis, the baseline that stands beside every model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import PositiveInt
from torch import Tensor

from tybalt_like.models.base import Batch, Model

FEW = 10
"""A share of all components that is smaller than one in so many is found alone, by Lanczos
iterations to machine precision (ARPACK), which is many times faster."""


@dataclass(frozen=True)
class PCAConfig:
    """Settings of `PCA`.

    Parameters
    ----------
    latent_dim
        Number of components, cut to ``min(n_obs, n_vars)`` of the training data.
    """

    latent_dim: PositiveInt = 20


class PCA(Model, name="pca", title="PCA"):
    """Orthogonal projection on the directions of largest variance.

    Loss: ``|x - mean - W' W (x - mean)|^2`` with orthonormal W; scikit-learn's SVD in
    float64, to machine precision and deterministic.

    Source: Pearson 1901.

    Use it first: no linear model reconstructs better, and every other model has to beat it.
    """

    citation = (
        "PCA: Pearson K. On lines and planes of closest fit to systems of points in space. "
        "Philosophical Magazine 2:559-572 (1901)."
    )
    deterministic = True
    linear = True
    Config = PCAConfig

    def __init__(self, n_vars: int, config: PCAConfig) -> None:
        super().__init__(n_vars, config)
        self.register_buffer("mean_g", torch.zeros(n_vars))
        self.register_buffer("components_kg", torch.zeros(config.latent_dim, n_vars))

    mean_g: Tensor
    components_kg: Tensor

    def solve(self, train: Batch) -> None:
        from sklearn.decomposition import PCA as Exact

        x_ng = train.x_ng.cpu().double().numpy()
        k = min(self.config.latent_dim, *x_ng.shape)
        few = FEW * k < min(x_ng.shape)
        solver = "arpack" if few else "full"
        exact = Exact(n_components=k, svd_solver=solver, random_state=0).fit(x_ng)
        self.mean_g.copy_(torch.from_numpy(exact.mean_))
        self.components_kg.zero_()[:k] = torch.from_numpy(exact.components_.copy())

    def embed(self, x_ng: Tensor) -> Tensor:
        return (x_ng - self.mean_g) @ self.components_kg.T

    def decode(self, z_nk: Tensor) -> Tensor:
        return z_nk @ self.components_kg + self.mean_g

    def weights(self) -> Tensor:
        return self.components_kg
