"""DIP-VAE: a VAE whose codes are uncorrelated over the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import NonNegativeFloat
from torch import Tensor

from tybalt_like.core.distributed import all_rows
from tybalt_like.models.beta_vae import BetaVAE, BetaVAEConfig


@dataclass(frozen=True)
class DIPVAEConfig(BetaVAEConfig):
    """Settings of `DIPVAE`: those of `BetaVAEConfig`, and

    Parameters
    ----------
    version
        ``"I"`` looks at the covariance of the posterior means, ``"II"`` at that of the codes
        themselves: the posterior variances come in.
    lambda_off
        Weight of the squared covariances between features. The paper takes up to 100 on images
        with 10 features; here 10 empties the codes of 100 features in batches of 50, whose
        covariances are mostly noise.
    lambda_diagonal
        Weight of the squared distances of their variances from 1. The paper takes
        ``10 x lambda_off`` in version I and ``lambda_off`` in version II.
    """

    version: Literal["I", "II"] = "II"
    lambda_off: NonNegativeFloat = 1.0
    lambda_diagonal: NonNegativeFloat = 1.0


class DIPVAE(BetaVAE, name="dip_vae"):
    """Matches the covariance of the codes over samples to the identity.

    Loss: ``-log p(x|z)  +  KL  +  lambda_off sum_{i != j} C_ij^2
    +  lambda_diagonal sum_i (C_ii - 1)^2``; C = Cov[mean(x)], to which version II adds
    E[variance(x)]; over a mini-batch.

    Source: Kumar, Sattigeri & Balakrishnan, ICLR 2018.

    Use it when features are to be uncorrelated, as principal components are. C is noisy in small
    batches: prefer few latent features or large batches.
    """

    citation = (
        "DIP-VAE: Kumar A, Sattigeri P, Balakrishnan A. Variational inference of disentangled "
        "latent concepts from unlabeled observations. ICLR (2018)."
    )
    Config = DIPVAEConfig

    def penalty(self, mean_nk: Tensor, logvar_nk: Tensor, z_nk: Tensor) -> dict[str, Tensor]:
        all_nk = all_rows(mean_nk)
        centred_nk = all_nk - all_nk.mean(0)
        covariance_kk = centred_nk.T @ centred_nk / len(all_nk)
        diagonal_k = covariance_kk.diagonal()
        off = covariance_kk.square().sum() - diagonal_k.square().sum()
        if self.config.version == "II":
            diagonal_k = diagonal_k + all_rows(logvar_nk).exp().mean(0)
        dip = self.config.lambda_off * off
        dip = dip + self.config.lambda_diagonal * (diagonal_k - 1).square().sum()
        parts = super().penalty(mean_nk, logvar_nk, z_nk)
        return parts | {"penalty": parts["penalty"] + dip, "dip": dip}
