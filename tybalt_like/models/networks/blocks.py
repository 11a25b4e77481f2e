"""Layers shared by several models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from tybalt_like.core import distributed, draws


def glorot_linear(n_in: int, n_out: int, *, heads: int = 1, trained_bias: bool = True) -> nn.Linear:
    """Linear layer with Glorot-uniform weights and zero biases, as Keras initialises Dense.

    With `heads` > 1 the layer stands for that many parallel layers of ``n_out / heads`` outputs,
    computed in one matrix product; the initial range is that of the separate layers. Batch
    normalisation after the layer takes any bias away again: with ``trained_bias=False`` it stays
    0 instead of following rounding errors, which Adam would blow up.
    """
    layer = nn.Linear(n_in, n_out)
    bound = (6 / (n_in + n_out / heads)) ** 0.5
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.zeros_(layer.bias)
    layer.bias.requires_grad_(trained_bias)
    return layer


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over the whole mini-batch, also where several processes share it."""

    def forward(self, x_nk: Tensor) -> Tensor:
        if not (self.training and distributed.is_sharing()):
            return super().forward(x_nk)
        n = distributed.total(x_nk.new_tensor(float(len(x_nk))))
        mean_k = distributed.total(x_nk.sum(0)) / n
        variance_k = distributed.total((x_nk - mean_k).square().sum(0)) / n
        self._track(mean_k.detach(), (variance_k * n / (n - 1)).detach())
        return (x_nk - mean_k) * (variance_k + self.eps).rsqrt() * self.weight + self.bias

    def _track(self, mean_k: Tensor, variance_k: Tensor) -> None:
        buffers = (self.num_batches_tracked, self.running_mean, self.running_var)
        n_batches, running_mean_k, running_variance_k = cast(tuple[Tensor, Tensor, Tensor], buffers)
        n_batches += 1
        running_mean_k.lerp_(mean_k, cast(float, self.momentum))
        running_variance_k.lerp_(variance_k, cast(float, self.momentum))


class Dropout(nn.Module):
    """Values of a mini-batch at random set to 0, and the others enlarged, as `nn.Dropout` does;
    the same ones on every device, and where several processes share the mini-batch.

    Parameters
    ----------
    share
        Of the values that are set to 0, below 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x_nk: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x_nk
        kept_nk = draws.uniform_like(x_nk) >= self.share
        return x_nk * kept_nk / (1 - self.share)


def keras_batch_norm(n: int) -> BatchNorm:
    """Batch normalisation with Keras' constants: epsilon 1e-3, and 1 % of each batch's statistics
    (momentum 0.99 in Keras' terms) enters the running ones."""
    return BatchNorm(n, eps=1e-3, momentum=0.01)


def mlp(sizes: Sequence[int], *, heads: int = 1) -> nn.Sequential:
    """Linear layers from ``sizes[0]`` to ``sizes[-1]`` features, with batch normalisation and
    ReLU between them.

    `heads` is that of `glorot_linear`, for the last layer.
    """
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes[:-1]):
        linear = glorot_linear(n_in, n_out)
        linear.register_parameter("bias", None)  # batch normalisation brings its own
        layers += [linear, BatchNorm(n_out), nn.ReLU()]
    return nn.Sequential(*layers, glorot_linear(sizes[-2], sizes[-1], heads=heads))


def gene_encoder(sizes: Sequence[int], *, heads: int = 1) -> nn.Sequential:
    """`mlp` for more genes than samples, whose first weights start small.

    Training hardly moves what lies outside the span of the training samples. Large random
    weights would stay there, and add noise to the code of every new sample.
    """
    layers = mlp(sizes, heads=heads)
    cast(nn.Linear, layers[0]).weight.data.mul_(0.05)
    return layers


def start_at(layers: nn.Sequential, bias_g: Tensor) -> None:
    """Set the bias of the last layer, and with it the output for a code of zeros."""
    with torch.no_grad():
        cast(nn.Linear, layers[-1]).bias.copy_(bias_g)


def product_of_weights(layers: Iterable[nn.Module]) -> Tensor:
    """Weights of a chain of layers multiplied, (n_in, n_out), the scales of batch normalisations
    included; rectifiers are ignored, as in Tybalt's gene weights of two hidden layers."""
    product = torch.ones(())
    for layer in layers:
        if isinstance(layer, nn.Linear):
            product = product @ layer.weight.T if product.ndim else layer.weight.T
        elif isinstance(layer, nn.BatchNorm1d) and layer.running_var is not None:
            product = product * layer.weight / (layer.running_var + layer.eps).sqrt()
    return product


def sample_normal(mean_nk: Tensor, logvar_nk: Tensor) -> Tensor:
    """A reparametrised draw from N(mean, exp(logvar))."""
    return mean_nk + draws.noise_like(mean_nk) * (0.5 * logvar_nk).exp()


def posterior_heads(both_n2k: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance from a joint layer; the log-variance is kept within [-10, 10], so
    that an extreme sample cannot make it overflow."""
    mean_nk, logvar_nk = both_n2k.chunk(2, dim=1)
    return mean_nk, logvar_nk.clamp(-10, 10)


class Standardise(nn.Module):
    """Features with the training mean 0 and standard deviation 1; does nothing until fitted.

    Features that hardly vary (less than 1/1000 of the most variable one) are not blown up.
    """

    mean_g: Tensor
    sd_g: Tensor

    def __init__(self, n: int) -> None:
        super().__init__()
        self.register_buffer("mean_g", torch.zeros(n))
        self.register_buffer("sd_g", torch.ones(n))

    def fit(self, x_ng: Tensor, *, alike: bool = False) -> None:
        """Learn the scale; of features that are `alike`, such as pixels, one for all of them."""
        sd_g = x_ng.std(0, correction=0)
        self.mean_g.copy_(x_ng.mean(0))
        if alike:
            sd_g = sd_g.square().mean().sqrt().expand_as(sd_g)
        self.sd_g.copy_(sd_g.clamp(min=max(1e-3 * float(sd_g.max()), 1e-6)))

    def forward(self, x_ng: Tensor) -> Tensor:
        return (x_ng - self.mean_g) / self.sd_g
