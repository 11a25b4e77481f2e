"""Beta-TC-VAE: a VAE whose penalty presses on the dependence between latent features alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from tybalt_like.models.base import Batch
from tybalt_like.models.beta_vae import BetaVAE, BetaVAEConfig
from tybalt_like.models.losses import kl_standard_normal
from tybalt_like.models.schedules import warmup

ROWS = 64
"""Rows compared with all others at once, which bounds memory when many samples are validated."""


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
        joint, product = [], []
        for rows_mk in z_nk.split(ROWS):
            log_q_mnk = log_normal(rows_mk[:, None], mean_nk, logvar_nk)
            joint.append(log_q_mnk.sum(2).logsumexp(1))
            product.append(log_q_mnk.logsumexp(1).sum(1))
        log_size = (self.n_train * len(z_nk)).log()
        return torch.cat(joint) - log_size, torch.cat(product) - z_nk.shape[1] * log_size


def log_normal(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Log-density of N(mean, exp(logvar)), element by element."""
    return -0.5 * ((z - mean).square() * (-logvar).exp() + logvar + math.log(2 * math.pi))
