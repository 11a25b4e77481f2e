"""Losses as pure functions, one value per sample, summed over features."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def bernoulli_nll(logits_ng: Tensor, x_ng: Tensor) -> Tensor:
    """Binary cross-entropy of targets in [0, 1], (n,).

    n_genes x mean BCE of Tybalt's notebook is this sum.
    """
    return F.binary_cross_entropy_with_logits(logits_ng, x_ng, reduction="none").sum(1)


def kl_standard_normal(mean_nk: Tensor, logvar_nk: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, 1)), (n,); Kingma & Welling 2014, appendix B."""
    return -0.5 * (1 + logvar_nk - mean_nk.square() - logvar_nk.exp()).sum(1)
