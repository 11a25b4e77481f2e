"""Beta-TC-VAE: a VAE whose penalty presses on the dependence between latent features alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from tybalt_like.core import distributed
from tybalt_like.models.base import Step
from tybalt_like.models.beta_vae import BetaVAE, BetaVAEConfig
from tybalt_like.models.networks.losses import kl_standard_normal
from tybalt_like.models.networks.schedules import warmup

NEWEST = 0.05
"""Share of the newest mini-batch in the running moments of the posteriors: with 20 batches in an
epoch they span the training samples about once."""
GRAIN = 1e-6
"""Added to the variances of the running moments, so that a feature that died has a density."""


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
    +  sum_k KL(q(z_k) || N(0, 1))``. The density of q(z), the mixture of all training samples'
    posteriors, is taken as the normal one with its mean and covariance, kept as running moments:
    the total correlation is then ``0.5 x (sum_k log C_kk - log det C)``, which is exact for a
    normal q(z) and otherwise sees what is linear.

    The paper estimates q(z) from the posteriors of a mini-batch (minibatch-weighted sampling).
    That serves ten features; with 100 every posterior is far from every other, the estimate of
    log q(z) is the sample's own density less log(training samples x batch), whatever depends on
    what, and the same happens with the posteriors of all training samples.

    Source: Chen et al., NeurIPS 2018. Best of six VAEs on TCGA, with DIP-VAE, in Eltager 2023.

    Use it when single features are to stand for single biological processes.
    """

    citation = (
        "beta-TC-VAE: Chen RTQ, Li X, Grosse R, Duvenaud D. Isolating sources of "
        "disentanglement in variational autoencoders. NeurIPS (2018)."
    )
    Config = BetaTCVAEConfig
    mean_k: Tensor
    covariance_kk: Tensor
    n_batches: Tensor

    def __init__(self, n_vars: int, config: BetaTCVAEConfig) -> None:
        super().__init__(n_vars, config)
        self.register_buffer("mean_k", torch.zeros(config.latent_dim))
        self.register_buffer("covariance_kk", torch.eye(config.latent_dim))
        self.register_buffer("n_batches", torch.zeros(()))

    def beta(self, epoch: int | None) -> float:
        """Rise of the whole penalty; `config.beta` weighs a part of it."""
        return warmup(self.config.warmup, self.config.kappa, epoch)

    def penalty(self, mean_nk: Tensor, logvar_nk: Tensor, z_nk: Tensor) -> dict[str, Tensor]:
        if self.training:
            self._track(mean_nk.detach(), logvar_nk.detach())
        log_joint_n, log_product_n = self.log_aggregate(z_nk)
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

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Of files written by version 0.2 too, which hold no moments: only training needs them."""
        state = {name: value for name, value in state_dict.items() if name != "n_train"}
        moments = {name: getattr(self, name) for name in ("mean_k", "covariance_kk", "n_batches")}
        return super().load_state_dict(moments | state, *args, **kwargs)

    def steps(self) -> list[Step]:
        # Running moments are looked at on the host, so that updates cannot be recorded.
        return [replace(step, replays=False) for step in super().steps()]

    def _track(self, mean_nk: Tensor, logvar_nk: Tensor) -> None:
        """Take the moments of a mini-batch's posteriors into the running ones."""
        n = distributed.total(mean_nk.new_full((), len(mean_nk)))
        self.n_batches += 1
        newest = max(NEWEST, 1 / float(self.n_batches))
        self.mean_k.lerp_(distributed.total(mean_nk.sum(0)) / n, newest)
        apart_nk = mean_nk - self.mean_k
        within_k = distributed.total(logvar_nk.exp().sum(0)) / n
        between_kk = distributed.total(apart_nk.T @ apart_nk) / n
        self.covariance_kk.lerp_(between_kk + within_k.diag(), newest)

    def log_aggregate(self, z_nk: Tensor) -> tuple[Tensor, Tensor]:
        """log q(z) and log prod_k q(z_k) by the running moments, (n,) each."""
        variance_k = self.covariance_kk.diagonal() + GRAIN
        factor_kk = torch.linalg.cholesky(
            self.covariance_kk + GRAIN * torch.eye(len(variance_k)).to(z_nk)
        )
        apart_nk = z_nk - self.mean_k
        white_nk = torch.linalg.solve_triangular(factor_kk, apart_nk.T, upper=False).T
        zero_nk = torch.zeros_like(z_nk)
        log_white_n = log_normal(white_nk, zero_nk, zero_nk).sum(1)
        log_joint_n = log_white_n - factor_kk.diagonal().log().sum()
        log_product_n = log_normal(z_nk, self.mean_k, variance_k.log()).sum(1)
        return log_joint_n, log_product_n


def log_normal(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Log-density of N(mean, exp(logvar)), element by element."""
    return -0.5 * ((z - mean).square() * (-logvar).exp() + logvar + math.log(2 * math.pi))
