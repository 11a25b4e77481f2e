"""Layers shared by several models."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def glorot_linear(n_in: int, n_out: int, *, heads: int = 1) -> nn.Linear:
    """Linear layer with Glorot-uniform weights and zero biases, as Keras initialises Dense.

    With `heads` > 1 the layer stands for that many parallel layers of ``n_out / heads`` outputs,
    computed in one matrix product; the initial range is that of the separate layers.
    """
    layer = nn.Linear(n_in, n_out)
    bound = (6 / (n_in + n_out / heads)) ** 0.5
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.zeros_(layer.bias)
    return layer


def keras_batch_norm(n: int) -> nn.BatchNorm1d:
    """Batch normalisation with Keras' constants: epsilon 1e-3, and 1 % of each batch's statistics
    (momentum 0.99 in Keras' terms) enters the running ones."""
    return nn.BatchNorm1d(n, eps=1e-3, momentum=0.01)


def sample_normal(mean_nk: Tensor, logvar_nk: Tensor) -> Tensor:
    """A reparametrised draw from N(mean, exp(logvar))."""
    return mean_nk + torch.randn_like(mean_nk) * (0.5 * logvar_nk).exp()
