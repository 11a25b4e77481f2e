"""Independent component analysis, one of the baselines of BioBombe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveInt
from torch import Tensor

from tybalt_like.models.base import Batch, Model
from tybalt_like.models.pca import FEW, PCA, PCAConfig

MANY = 1000
"""Rows and columns beyond which it pays to find the first principal axes alone."""


@dataclass(frozen=True)
class ICAConfig:
    """Settings of `ICA`.

    Parameters
    ----------
    latent_dim
        Number of components, cut to the rank of the training data.
    max_iter
        Iterations of FastICA, at most; scikit-learn's default, which warns if that is too few.
    """

    latent_dim: PositiveInt = 20
    max_iter: PositiveInt = 200


class ICA(Model, name="ica", title="ICA"):
    """Rotates the principal components until they are as independent, and as far from normal,
    as they can be; spans the same space as PCA.

    Loss: maximises the negentropy of ``(x - mean) U``, approximated by log cosh (scikit-learn's
    FastICA in float64, whitened to unit variance).

    Source: Hyvarinen & Oja, Neural Networks 2000.

    Use it when components are to be read one by one: sparse, skewed ones often are a process.
    """

    citation = (
        "ICA: Hyvärinen A, Oja E. Independent component analysis: algorithms and "
        "applications. Neural Networks 13:411-430 (2000)."
    )
    linear = True
    Config = ICAConfig
    mean_g: Tensor
    unmixing_kg: Tensor
    mixing_kg: Tensor

    def __init__(self, n_vars: int, config: ICAConfig) -> None:
        super().__init__(n_vars, config)
        self.register_buffer("mean_g", torch.zeros(n_vars))
        self.register_buffer("unmixing_kg", torch.zeros(config.latent_dim, n_vars))
        self.register_buffer("mixing_kg", torch.zeros(config.latent_dim, n_vars))

    def solve(self, train: Batch) -> None:
        from sklearn.decomposition import FastICA

        x_ng = train.x_ng.cpu().double().numpy()
        axes_jg = self._first_axes(train)
        if axes_jg is not None:
            x_ng = x_ng @ axes_jg.T
        k = min(self.config.latent_dim, int(np.linalg.matrix_rank(x_ng - x_ng.mean(0))))
        exact = FastICA(
            n_components=k,
            max_iter=self.config.max_iter,
            whiten="unit-variance",
            random_state=int(torch.randint(2**31, ())),
        ).fit(x_ng)
        mean, unmixing, mixing = exact.mean_, exact.components_, exact.mixing_.T
        if axes_jg is not None:
            mean = train.x_ng.cpu().double().mean(0).numpy()
            unmixing, mixing = unmixing @ axes_jg, mixing @ axes_jg
        self.mean_g.copy_(torch.from_numpy(mean))
        self.unmixing_kg.zero_()[:k] = torch.from_numpy(unmixing)
        self.mixing_kg.zero_()[:k] = torch.from_numpy(mixing)

    def _first_axes(self, train: Batch) -> NDArray[np.float64] | None:
        """The first principal axes of large data, (j, g): FastICA would find all of them to keep
        these. None for data of which all are found as quickly."""
        k, shape = self.config.latent_dim, train.x_ng.shape
        if min(shape) <= MANY or FEW * k >= min(shape):
            return None
        pca = PCA(self.n_vars, PCAConfig(k))
        pca.solve(Batch({"x_ng": train.x_ng.cpu()}))
        return np.asarray(pca.components_kg.double().numpy())

    def embed(self, x_ng: Tensor) -> Tensor:
        return (x_ng - self.mean_g) @ self.unmixing_kg.T

    def decode(self, z_nk: Tensor) -> Tensor:
        return z_nk @ self.mixing_kg + self.mean_g

    def weights(self) -> Tensor:
        return self.mixing_kg
