"""The negative-binomial autoencoder as a baseline: OUTRIDER's way, and new samples.

It is fitted twice: outliers found with the first fit are replaced by their expectation for the
second. Dispersions for new samples come from leave-one-out errors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tybalt_like.aberrant.samples import Samples
from tybalt_like.aberrant.statistics import Floats, adjusted
from tybalt_like.aberrant.threshold import n_above_noise
from tybalt_like.models.nb_autoencoder import NBAutoencoder, NBAutoencoderConfig
from tybalt_like.models.networks.dispersion import fit_dispersion
from tybalt_like.training.inference import infer
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

BOUND = 5.0
"""Largest pull of one count on its own expectation that is taken back, in natural logarithms."""
OUTLIER = 0.05
"""Counts with an adjusted p-value of at most this are not learned from."""


def known(samples: Samples) -> dict[str, Floats]:
    """What the model takes beside the counts, by its names."""
    given = {"size_n1": samples.size_n[:, None]}
    return given | ({"c_nc": samples.c_nc} if samples.c_nc.shape[1] else {})


class Expectation(NamedTuple):
    """Codes (n, k) and expected counts (n, g)."""

    z_nk: Floats
    mean_ng: Floats


def fit_model(samples: Samples, *, latent_dim: int, seed: int) -> NBAutoencoder:
    """Train the autoencoder on all samples, in full batches where that is possible."""
    n_covariates = samples.c_nc.shape[1]
    config = NBAutoencoderConfig(latent_dim=latent_dim, n_covariates=n_covariates)
    model = NBAutoencoder(samples.x_ng.shape[1], config)
    arrays = {"x_ng": samples.x_ng, **known(samples)}
    tensors = {name: torch.from_numpy(a.astype(np.float32)) for name, a in arrays.items()}
    with seeded(seed):
        model.history = train(model, tensors)
    return model


def expect(model: NBAutoencoder, samples: Samples) -> Expectation:
    """What the model expects of samples, each by itself."""
    found = infer(model, samples.x_ng, given=known(samples), dtype=np.float64)
    z_nk, mean_ng = (np.asarray(part, np.float64) for part in found)
    return Expectation(z_nk, mean_ng)


def p_values(x_ng: Floats, mean_ng: Floats, dispersion_g: Floats) -> Floats:
    """Two-sided p-values of counts under NB(mean, variance = mean + mean^2 / dispersion), (n, g).

    ``p = 2 min(1/2, P(X <= x), P(X >= x))``, as in OUTRIDER.
    """
    from scipy.special import betainc

    success_ng = dispersion_g / (dispersion_g + mean_ng)
    at_most_ng = betainc(dispersion_g, x_ng + 1, success_ng)
    at_least_ng = np.where(
        x_ng == 0, 1.0, betainc(np.maximum(x_ng, 1), dispersion_g, 1 - success_ng)
    )
    return np.asarray(2 * np.minimum(0.5, np.minimum(at_most_ng, at_least_ng)))


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


class NBReference(NamedTuple):
    """A fitted cohort: what to expect, and the noise around it for its own and for new samples."""

    model: NBAutoencoder
    mean_ng: Floats
    own_g: Floats
    new_g: Floats

    @classmethod
    def fit(cls, given: Samples, *, seed: int) -> NBReference:
        first = fit_model(given, latent_dim=by_threshold(given), seed=seed)
        mean_ng = expect(first, given).mean_ng
        clean = cleaned(given, mean_ng, dispersion(given.x_ng, mean_ng))
        model = fit_model(clean, latent_dim=by_threshold(clean), seed=seed)
        found = expect(model, clean)
        own_g = dispersion(clean.x_ng, found.mean_ng)
        new_g = dispersion(clean.x_ng, without_itself(clean, found, own_g))
        return cls(model, found.mean_ng, own_g, new_g)

    def test(self, given: Samples) -> tuple[Floats, Floats]:
        """p-values and expected counts of new samples."""
        clean = cleaned(given, expect(self.model, given).mean_ng, self.new_g)
        mean_ng = expect(self.model, clean).mean_ng
        return p_values(given.x_ng, mean_ng, self.new_g), mean_ng


def by_threshold(samples: Samples) -> int:
    """Components of standardised log counts above the optimal hard threshold, at least 1."""
    log_ng, design_nc = samples.log_ng, samples.design_nc
    log_ng -= design_nc @ (np.linalg.pinv(design_nc) @ log_ng)
    log_ng /= np.maximum(log_ng.std(axis=0), 1e-9)
    n_known = int(np.linalg.matrix_rank(design_nc))
    s_m = np.linalg.svd(log_ng, compute_uv=False)
    return max(1, n_above_noise(s_m, log_ng.shape, n_known=n_known))
