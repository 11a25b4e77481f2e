"""The autoencoder of counts, trained on a cohort and asked what it expects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tybalt_like.aberrant.statistics import Floats, adjusted, p_values
from tybalt_like.models.nb_autoencoder import NBAutoencoder, NBAutoencoderConfig
from tybalt_like.models.networks.dispersion import fit_dispersion
from tybalt_like.training.inference import infer
from tybalt_like.training.loop import EpochHook, train
from tybalt_like.training.seed import seeded

BOUND = 5.0
"""Largest pull of one count on its own expectation that is taken back, in natural logarithms."""
OUTLIER = 0.05
"""Counts with an adjusted p-value of at most this are not learned from."""


class Samples(NamedTuple):
    """Counts (n, g), size factors (n,) and centred covariates (n, c)."""

    x_ng: Floats
    size_n: Floats
    c_nc: Floats

    def given(self) -> dict[str, Floats]:
        """What the model takes beside the counts, by its names."""
        known = {"size_n1": self.size_n[:, None]}
        return known | ({"c_nc": self.c_nc} if self.c_nc.shape[1] else {})


class Expectation(NamedTuple):
    """Codes (n, k) and expected counts (n, g)."""

    z_nk: Floats
    mean_ng: Floats


def fit_model(
    samples: Samples, *, latent_dim: int, seed: int, on_epoch: EpochHook | None = None
) -> NBAutoencoder:
    """Train the autoencoder on all samples, in full batches where that is possible."""
    n_covariates = samples.c_nc.shape[1]
    config = NBAutoencoderConfig(latent_dim=latent_dim, n_covariates=n_covariates)
    model = NBAutoencoder(samples.x_ng.shape[1], config)
    arrays = {"x_ng": samples.x_ng, **samples.given()}
    tensors = {name: torch.from_numpy(a.astype(np.float32)) for name, a in arrays.items()}
    with seeded(seed):
        model.history = train(model, tensors, on_epoch=on_epoch)
    return model


def expect(model: NBAutoencoder, samples: Samples) -> Expectation:
    """What the model expects of samples, each by itself."""
    found = infer(model, samples.x_ng, given=samples.given(), dtype=np.float64)
    z_nk, mean_ng = (np.asarray(part, np.float64) for part in found)
    return Expectation(z_nk, mean_ng)


def cleaned(samples: Samples, mean_ng: Floats, dispersion_g: Floats) -> Samples:
    """The same with outliers replaced by their expectation, so that they neither shape what is
    expected nor pass for noise: those with a p-value of at most `OUTLIER`, adjusted within their
    sample. As DESeq2 does with counts of large Cook's distance."""
    padj_ng = adjusted(p_values(samples.x_ng, mean_ng, dispersion_g))
    return samples._replace(x_ng=np.where(padj_ng <= OUTLIER, mean_ng, samples.x_ng))


def dispersion(x_ng: Floats, mean_ng: Floats) -> Floats:
    """`fit_dispersion` of arrays."""
    fitted: Tensor = fit_dispersion(torch.from_numpy(x_ng), torch.from_numpy(mean_ng))
    return fitted.numpy()


def without_itself(samples: Samples, found: Expectation, dispersion_g: Floats) -> Floats:
    """Expected counts if the decoder had been fitted without the sample in question, (n, g).

    The decoder of a gene is a regression of its counts on codes and covariates. Its leverages h
    tell how much a count pulls its own expectation: one Newton step takes that back,
    ``log mean - h / (1 - h) x log(count / mean)`` (Pregibon, Ann Stat 9:705, 1981). What is left
    is the error to be expected with samples that the model has not seen.
    """
    n = len(samples.x_ng)
    design_nk = np.column_stack([np.ones(n), samples.c_nc, found.z_nk])
    basis_nk = np.linalg.svd(design_nk, full_matrices=False)[0]
    weight_ng = found.mean_ng / (1 + found.mean_ng / dispersion_g)
    k = basis_nk.shape[1]
    product_np = (basis_nk[:, :, None] * basis_nk[:, None, :]).reshape(n, k * k)
    information_gkk = (weight_ng.T @ product_np).reshape(-1, k, k)
    ridge_g = 1e-9 * np.trace(information_gkk, axis1=1, axis2=2)
    covariance_gkk = np.linalg.inv(information_gkk + ridge_g[:, None, None] * np.eye(k))
    leverage_ng = weight_ng * (product_np @ covariance_gkk.reshape(-1, k * k).T)
    ratio_ng = np.log((samples.x_ng + 0.5) / (found.mean_ng + 0.5)).clip(-BOUND, BOUND)
    own_ng = leverage_ng / (1 - leverage_ng.clip(max=0.9)) * ratio_ng
    return np.asarray(found.mean_ng * np.exp(-own_ng))
