"""Beta-TC-VAE: a VAE whose penalty presses on the dependence between latent features alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from tybalt_like.models.base import Batch
from tybalt_like.models.beta_vae import BetaVAE, BetaVAEConfig
from tybalt_like.models.networks.losses import kl_standard_normal
from tybalt_like.models.networks.schedules import warmup

ROWS = 256
"""Rows compared with one another, at most: the cost grows with their square. More rows, as in a
validation, are taken in groups of that size."""


@dataclass(frozen=True)
class BetaTCVAEConfig(BetaVAEConfig):
    """Settings of `BetaTCVAE`: those of `BetaVAEConfig`, but

    Parameters
    ----------
    beta
        Weight of the total correlation; 6 in the paper's comparisons, 1 is the plain VAE.
    """

    beta: NonNegativeFloat = 6.0


class BetaTCVAE(BetaVAE, name="beta_tc_vae"):
    """Splits the KL term in three and weighs only the total correlation, so that features become
    independent without losing information about the sample.

    Loss: ``-log p(x|z)  +  I(x; z)  +  beta x KL(q(z) || prod_k q(z_k))
    +  sum_k KL(q(z_k) || N(0, 1))``, with q(z) over the whole training set estimated from the
    mini-batch (minibatch-weighted sampling).

    Source: Chen et al., NeurIPS 2018. Best of six VAEs on TCGA, with DIP-VAE, in Eltager 2023.

    Use it when single features are to stand for single biological processes.
    """

    citation = (
        "beta-TC-VAE: Chen RTQ, Li X, Grosse R, Duvenaud D. Isolating sources of "
        "disentanglement in variational autoencoders. NeurIPS (2018)."
    )
    Config = BetaTCVAEConfig
    n_train: Tensor

    def __init__(self, n_vars: int, config: BetaTCVAEConfig) -> None:
        super().__init__(n_vars, config)
        self.register_buffer("n_train", torch.tensor(1.0))

    def solve(self, train: Batch) -> None:
        super().solve(train)
        self.n_train.fill_(len(train.x_ng))

    def beta(self, epoch: int | None) -> float:
        """Rise of the whole penalty; `config.beta` weighs a part of it."""
        return warmup(self.config.warmup, self.config.kappa, epoch)

    def penalty(self, mean_nk: Tensor, logvar_nk: Tensor, z_nk: Tensor) -> dict[str, Tensor]:
        log_joint_n, log_product_n = self.log_aggregate(mean_nk, logvar_nk, z_nk)
        log_posterior_n = log_normal(z_nk, mean_nk, logvar_nk).sum(1)
        log_prior_n = log_normal(z_nk, torch.zeros_like(z_nk), torch.zeros_like(z_nk)).sum(1)
        information = (log_posterior_n - log_joint_n).mean()
        correlation = (log_joint_n - log_product_n).mean()
        marginal = (log_product_n - log_prior_n).mean()
        return {
            "penalty": information + self.config.beta * correlation + marginal,
            "kl": kl_standard_normal(mean_nk, logvar_nk).mean(),
            "mutual_information": information,
            "total_correlation": correlation,
            "marginal_kl": marginal,
        }

    def log_aggregate(
        self, mean_nk: Tensor, logvar_nk: Tensor, z_nk: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Estimates of log q(z) and of log prod_k q(z_k), (n,) each."""
        groups = zip(mean_nk.split(ROWS), logvar_nk.split(ROWS), z_nk.split(ROWS), strict=True)
        joint, product = [], []
        for mean_mk, logvar_mk, z_mk in groups:
            log_q_mmk = log_normal(z_mk[:, None], mean_mk, logvar_mk)
            log_size = (self.n_train * len(z_mk)).log()
            joint.append(log_q_mmk.sum(2).logsumexp(1) - log_size)
            product.append((log_q_mmk.logsumexp(1) - log_size).sum(1))
        return torch.cat(joint), torch.cat(product)


def log_normal(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Log-density of N(mean, exp(logvar)), element by element."""
    return -0.5 * ((z - mean).square() * (-logvar).exp() + logvar + math.log(2 * math.pi))
