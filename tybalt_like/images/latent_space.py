"""The latent space of a model of images: its prior, its holes, and ways through it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from tybalt_like.models import Batch, Model
from tybalt_like.models.networks.losses import (
    importance_weighted_nll,
    kl_standard_normal,
    posterior_values,
)
from tybalt_like.models.networks.variational import Variational

Array = NDArray[np.floating]
ROWS = 1024
"""Rows in flight at once."""


def in_rows(function: Callable[[torch.Tensor], torch.Tensor], rows: ArrayLike) -> Array:
    """A function of rows applied to many, in single precision and without gradients."""
    rows = np.asarray(rows, dtype=np.float32)
    with torch.no_grad():
        parts = [function(torch.from_numpy(rows[i : i + ROWS])) for i in range(0, len(rows), ROWS)]
    return torch.cat(parts).numpy()


@dataclass(frozen=True)
class LatentSpace:
    """A trained model as maps between images and codes, on the processor.

    Attributes
    ----------
    prior_mean_k, prior_root_kk
        The normal distribution that codes are drawn from, as its mean and a square root of its
        covariance: the prior of variational models, N(0, 1) for most of them, and of others the
        normal distribution with the mean and covariance of the training images' codes.
    """

    model: Model
    prior_mean_k: Array
    prior_root_kk: Array

    @classmethod
    def of(cls, model: Model, train_ng: Array) -> LatentSpace:
        """`model`, with the prior that its training images imply."""
        model = copy.deepcopy(model).cpu().float().eval()
        k = model.weights().shape[0]
        if isinstance(model, Variational):
            return cls(model, np.zeros(k), in_rows(model.coordinates, np.eye(k)))
        z_nk = in_rows(model.embed, train_ng).astype(np.float64)
        value_k, vector_kk = np.linalg.eigh(np.cov(z_nk.T).reshape(k, k))
        root_kk = vector_kk * np.sqrt(np.maximum(value_k, 0)) @ vector_kk.T
        return cls(model, z_nk.mean(0), root_kk)

    def encode(self, x_ng: Array) -> Array:
        """LatentSpace of images; the posterior means of variational models."""
        return in_rows(self.model.embed, x_ng)

    def drawn(self, x_ng: Array, *, seed: int) -> Array:
        """One code per image: of variational models a draw from its posterior."""
        model = self.model
        if not isinstance(model, Variational):
            return self.encode(x_ng)
        both_n2k = in_rows(lambda x: torch.cat(model.encode(Batch({"x_ng": x})), 1), x_ng)
        mean_nk, logvar_nk = np.split(both_n2k, 2, axis=1)
        noise_nk = np.random.default_rng(seed).standard_normal(mean_nk.shape)
        return in_rows(model.coordinates, mean_nk + noise_nk * np.exp(logvar_nk / 2))

    def decode(self, z_nk: ArrayLike) -> Array:
        """Images of codes."""
        return in_rows(self.model.decode, z_nk)

    def from_prior(self, standard_nk: Array) -> Array:
        """LatentSpace at standard normal coordinates of the prior."""
        return np.asarray(standard_nk @ self.prior_root_kk + self.prior_mean_k)


def quantile_grid(n: int) -> Array:
    """n x n points of the plane at Gaussian quantiles, each standing for as much of the prior,
    (n n, 2); row by row, from the top left (-, +)."""
    from scipy.special import ndtri

    quantile_n = ndtri((np.arange(n) + 0.5) / n)
    across, down = np.meshgrid(quantile_n, quantile_n[::-1])
    return np.stack([across.ravel(), down.ravel()], 1)


def linear_path(start_k: Array, end_k: Array, share_t: Array) -> Array:
    """Points of the straight way between two codes, (t, k)."""
    return np.asarray(np.outer(1 - share_t, start_k) + np.outer(share_t, end_k))


def spherical_path(start_k: Array, end_k: Array, share_t: Array) -> Array:
    """Points of the way around 0, along which the length changes evenly, (t, k).

    In many dimensions nearly all of a normal distribution lies at one distance from 0; the
    straight way leaves it (White 2016).
    """
    lengths = np.linalg.norm(start_k), np.linalg.norm(end_k)
    if min(lengths) == 0:
        return linear_path(start_k, end_k, share_t)
    one_k, other_k = start_k / lengths[0], end_k / lengths[1]
    angle = np.arccos(np.clip(one_k @ other_k, -1, 1))
    if np.sin(angle) < 1e-6:
        return linear_path(start_k, end_k, share_t)
    turned_tk = np.outer(np.sin((1 - share_t) * angle), one_k)
    turned_tk += np.outer(np.sin(share_t * angle), other_k)
    length_t = (1 - share_t) * lengths[0] + share_t * lengths[1]
    return np.asarray(turned_tk / np.sin(angle) * length_t[:, None])


def nearest_distance(x_ng: Array, among_mg: Array) -> Array:
    """Euclidean distance of every row to the nearest of other rows, (n,)."""
    among = torch.from_numpy(np.asarray(among_mg, dtype=np.float32))
    return in_rows(lambda x: torch.cdist(x, among).amin(1), x_ng)


def coverage(random_mk: Array, codes_nk: Array, others_nk: Array) -> float:
    """Share of random codes that lie where codes of images do.

    That is: no further from the nearest of `codes_nk` than 95 % of the codes of other images are.
    """
    usual = np.quantile(nearest_distance(others_nk, codes_nk), 0.95)
    return float((nearest_distance(random_mk, codes_nk) <= usual).mean())


def principal_angles(one_kg: Array, other_kg: Array) -> Array:
    """Angles between the spaces that two sets of rows span, in degrees, the smallest first."""
    from scipy.linalg import subspace_angles

    angles = subspace_angles(np.asarray(one_kg, np.float64).T, np.asarray(other_kg, np.float64).T)
    return np.asarray(np.rad2deg(angles)[::-1])


def bounds(model: Variational, x_ng: Array, *, draws: int = 16) -> dict[str, float]:
    """Means over images, in nats: ``reconstruction`` (minus the expected log p(x|z)), ``kl``,
    their sum ``negative_elbo``, and the tighter ``importance_weighted``."""

    def parts(x: torch.Tensor) -> torch.Tensor:
        batch = Batch({"x_ng": x})
        mean, logvar = model.encode(batch)

        def nll(z: torch.Tensor) -> torch.Tensor:
            return model.nll(batch, z)

        nll_sn = posterior_values(nll, mean, logvar, draws=draws)
        weighted = importance_weighted_nll(nll_sn, mean, logvar)
        return torch.stack([nll_sn.mean(0), kl_standard_normal(mean, logvar), weighted], 1)

    likelihood, kl, weighted = in_rows(parts, x_ng).astype(np.float64).mean(0)
    return {
        "reconstruction": float(likelihood),
        "kl": float(kl),
        "negative_elbo": float(likelihood + kl),
        "importance_weighted": float(weighted),
    }
