"""Losses as pure functions, one value per sample, summed over features."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def squared_error(mean_ng: Tensor, x_ng: Tensor) -> Tensor:
    """|x - mean|^2, (n,)."""
    return (x_ng - mean_ng).square().sum(1)


def bernoulli_nll(logits_ng: Tensor, x_ng: Tensor) -> Tensor:
    """Binary cross-entropy of targets in [0, 1], (n,).

    n_genes x mean BCE of Tybalt's notebook is this sum.
    """
    return F.binary_cross_entropy_with_logits(logits_ng, x_ng, reduction="none").sum(1)


def gaussian_nll(mean_ng: Tensor, variance_g: Tensor, x_ng: Tensor) -> Tensor:
    """-log N(x | mean, variance), (n,)."""
    log_2pi = math.log(2 * math.pi)
    return 0.5 * ((x_ng - mean_ng).square() / variance_g + variance_g.log() + log_2pi).sum(1)


def negative_binomial_nll(mean_ng: Tensor, dispersion_g: Tensor, x_ng: Tensor) -> Tensor:
    """-log NB(x | mean, dispersion), (n, g), unsummed; the variance is mean + mean^2 / dispersion.

    `mean_ng` and `dispersion_g` must be above 0.
    """
    log_total = (dispersion_g + mean_ng).log()
    return (
        torch.lgamma(dispersion_g)
        + torch.lgamma(x_ng + 1)
        - torch.lgamma(x_ng + dispersion_g)
        - dispersion_g * (dispersion_g.log() - log_total)
        - x_ng * (mean_ng.log() - log_total)
    )


def zero_inflated_nll(nll_ng: Tensor, zero_logits_ng: Tensor, x_ng: Tensor) -> Tensor:
    """-log of pi [x = 0] + (1 - pi) exp(-nll) with pi = sigmoid(zero_logits), (n, g), unsummed."""
    counted_ng = nll_ng + F.softplus(zero_logits_ng)
    zero_ng = F.softplus(zero_logits_ng) - torch.logaddexp(zero_logits_ng, -nll_ng)
    return torch.where(x_ng == 0, zero_ng, counted_ng)


def kl_standard_normal(mean_nk: Tensor, logvar_nk: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, 1)), (n,); Kingma & Welling 2014, appendix B."""
    return -0.5 * (1 + logvar_nk - mean_nk.square() - logvar_nk.exp()).sum(1)


def mmd(a_nk: Tensor, b_mk: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of two samples, a number of at least 0 (V-statistic).

    Inverse multiquadratic kernels ``c / (c + |x - y|^2)`` summed over seven scales
    ``c = 2 k s``, as in Tolstikhin et al. 2018: their heavy tails still pull on far points.
    """

    def kernel(x_nk: Tensor, y_mk: Tensor) -> Tensor:
        norm_n1, norm_m = x_nk.square().sum(1, keepdim=True), y_mk.square().sum(1)
        squared_nm = (norm_n1 + norm_m - 2 * x_nk @ y_mk.T).clamp(min=0)
        scales = [2 * x_nk.shape[1] * s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)]
        return torch.stack([(c / (c + squared_nm)).mean() for c in scales]).sum()

    return kernel(a_nk, a_nk) + kernel(b_mk, b_mk) - 2 * kernel(a_nk, b_mk)


def posterior_mean(
    value: Callable[[Tensor], Tensor], mean_nk: Tensor, logvar_nk: Tensor, *, draws: int = 16
) -> Tensor:
    """E of value(z) over z ~ N(mean, exp(logvar)), (n,), by antithetic Monte Carlo.

    Every row gets the same draws in every call, so that a sample's value does not depend on
    chance or on the rows beside it.
    """
    generator = torch.Generator().manual_seed(0)
    half_sk = torch.randn(draws // 2, mean_nk.shape[1], generator=generator, dtype=torch.float64)
    noise_sk = torch.cat([half_sk, -half_sk]).to(mean_nk)
    sd_nk = (0.5 * logvar_nk).exp()
    return torch.stack([value(mean_nk + sd_nk * noise_k) for noise_k in noise_sk]).mean(0)
