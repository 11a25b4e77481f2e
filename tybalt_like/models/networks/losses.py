"""Losses as pure functions, one value per sample, summed over features."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def squared_error(mean_ng: Tensor, x_ng: Tensor) -> Tensor:
    """|x - mean|^2, (n,)."""
    return (x_ng - mean_ng).square().sum(1)


class _BernoulliNLL(torch.autograd.Function):
    """Binary cross-entropy with a single transcendental function per entry.

    ``-log p(x|logit) = relu(l) - l x - log max(p, 1 - p)`` with ``p = sigmoid(l)``. As every
    ``max(p, 1 - p)`` lies in [1/2, 1], products of 64 of them stay far from underflow, and one
    logarithm serves them all. The gradient is ``p - x``.
    """

    @staticmethod
    def forward(ctx: Any, logits_ng: Tensor, x_ng: Tensor) -> Tensor:
        p_ng = logits_ng.sigmoid()
        scratch_ng = 1 - p_ng
        torch.maximum(p_ng, scratch_ng, out=scratch_ng)
        whole = scratch_ng.shape[1] // GROUP * GROUP
        grouped = scratch_ng[:, :whole].unflatten(1, (-1, GROUP)).prod(2)
        nll_n: Tensor = -grouped.log().sum(1) - scratch_ng[:, whole:].log().sum(1)
        torch.clamp(logits_ng, min=0, out=scratch_ng)
        nll_n += scratch_ng.addcmul_(logits_ng, x_ng, value=-1).sum(1)
        ctx.save_for_backward(p_ng.sub_(x_ng))
        return nll_n

    @staticmethod
    def backward(ctx: Any, *grad_n: Tensor) -> tuple[Tensor, None]:
        slope_ng: Tensor = ctx.saved_tensors[0]
        return slope_ng.mul_(grad_n[0].unsqueeze(1)), None  # in place: another call is refused


GROUP = 64
"""Probabilities of at least 1/2 whose product single precision holds with ease."""


def bernoulli_nll(logits_ng: Tensor, x_ng: Tensor) -> Tensor:
    """Binary cross-entropy of targets in [0, 1], (n,).

    n_genes x mean BCE of Tybalt's notebook is this sum. Differentiable in the logits, not in the
    targets.
    """
    logits_ng = logits_ng.to(x_ng.dtype)  # from half precision
    nll_n: Tensor = _BernoulliNLL.apply(logits_ng, x_ng)  # type: ignore[no-untyped-call]
    return nll_n


def gaussian_nll(mean_ng: Tensor, variance_g: Tensor, x_ng: Tensor) -> Tensor:
    """-log N(x | mean, variance), summed over the last axis, the genes."""
    log_2pi = math.log(2 * math.pi)
    return 0.5 * ((x_ng - mean_ng).square() / variance_g + variance_g.log() + log_2pi).sum(-1)


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
    """KL(N(mean, exp(logvar)) || N(0, 1)), summed over the last axis; Kingma & Welling 2014,
    appendix B."""
    return 0.5 * (mean_nk.square() + logvar_nk.expm1() - logvar_nk).sum(-1)


def kl_normals(mean: Tensor, logvar: Tensor, mean_p: Tensor, logvar_p: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(mean_p, exp(logvar_p))), summed over the last axis."""
    apart = (mean - mean_p).square() / logvar_p.exp()
    return 0.5 * ((logvar - logvar_p).expm1() - (logvar - logvar_p) + apart).sum(-1)


def mmd(a_nk: Tensor, b_mk: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of two samples, a number of at least 0 (V-statistic),
    with `multiquadratic` kernels."""
    within = multiquadratic(a_nk, a_nk).mean() + multiquadratic(b_mk, b_mk).mean()
    return within - 2 * multiquadratic(a_nk, b_mk).mean()


def multiquadratic(x_nk: Tensor, y_mk: Tensor) -> Tensor:
    """Inverse multiquadratic kernels ``c / (c + |x - y|^2)`` summed over seven scales
    ``c = 2 k s``, (n, m), as in Tolstikhin et al. 2018: their heavy tails still pull on far
    points."""
    norm_n1, norm_m = x_nk.square().sum(1, keepdim=True), y_mk.square().sum(1)
    squared_nm = (norm_n1 + norm_m - 2 * x_nk @ y_mk.T).clamp(min=0)
    scales = [2 * x_nk.shape[1] * s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)]
    return torch.stack([c / (c + squared_nm) for c in scales]).sum(0)


def posterior_values(
    value: Callable[[Tensor], Tensor], mean_nk: Tensor, logvar_nk: Tensor, *, draws: int = 16
) -> Tensor:
    """value(z) at draws z ~ N(mean, exp(logvar)), (draws, n), antithetic.

    Every row gets the same draws in every call, so that a sample's values do not depend on
    chance or on the rows beside it.
    """
    sd_nk = (0.5 * logvar_nk).exp()
    values = [value(mean_nk + sd_nk * noise_k) for noise_k in fixed_noise(mean_nk, draws)]
    return torch.stack(values)


def importance_weighted_nll(nll_sn: Tensor, mean_nk: Tensor, logvar_nk: Tensor) -> Tensor:
    """-log of the mean over draws of p(x|z) p(z) / q(z|x), (n,); nearer to -log p(x) than the
    evidence bound (Burda et al. 2016). The prior is N(0, 1); `nll_sn` are `posterior_values` of
    -log p(x|z)."""
    draws = len(nll_sn)
    weights = []
    for noise_k, nll_n in zip(fixed_noise(mean_nk, draws), nll_sn, strict=True):
        z_nk = mean_nk + (0.5 * logvar_nk).exp() * noise_k
        log_ratio_n = 0.5 * (noise_k.square() + logvar_nk - z_nk.square()).sum(1)
        weights.append(log_ratio_n - nll_n)
    return math.log(draws) - torch.stack(weights).logsumexp(0)


def fixed_noise(like_nk: Tensor, draws: int) -> Tensor:
    """Standard normal and antithetic, (draws, k), the same in every call."""
    generator = torch.Generator().manual_seed(0)
    half_sk = torch.randn(draws // 2, like_nk.shape[1], generator=generator, dtype=torch.float64)
    return torch.cat([half_sk, -half_sk]).to(like_nk)
