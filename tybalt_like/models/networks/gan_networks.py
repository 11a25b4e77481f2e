"""Generators, critics and encoders: layers of features for profiles, convolutions for images.

Whatever the form, rows are flat: an image of c channels, h rows and w columns is c h w numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tybalt_like.models.networks.blocks import gene_encoder, glorot_linear, mlp
from tybalt_like.models.networks.image_networks import AnyBatchNorm, ChannelsLast, Shape, pyramid

Norm = Callable[[int], nn.Module]
"""A normalisation layer for that many features or channels."""


def layer_norm(n: int) -> nn.Module:
    """Each sample normalised over all features, or over all channels and pixels; the scale is
    one per feature or channel, as in Gulrajani's code."""
    return nn.GroupNorm(1, n)


# Of images, in place: new memory for every result costs more than the arithmetic.
_relu = partial(nn.ReLU, inplace=True)
_leaky_relu = partial(nn.LeakyReLU, 0.2, inplace=True)


class ThinUp(nn.ConvTranspose2d):
    """A transposed convolution that doubles the sides of images and ends in few channels.

    On processors as a matrix product, whose rows are added up where they overlap: for one channel
    that takes a third of the time.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, 4, stride=2, padding=1)

    def forward(self, x_nchw: Tensor, output_size: list[int] | None = None) -> Tensor:
        if x_nchw.device.type != "cpu" or self.bias is None:
            return super().forward(x_nchw, output_size)
        height, width = x_nchw.shape[2:]
        taps = x_nchw.permute(0, 2, 3, 1).flatten(1, 2) @ self.weight.flatten(1)
        sides = (2 * height, 2 * width)
        up_nchw = F.fold(taps.transpose(1, 2), sides, 4, padding=1, stride=2)
        return up_nchw + self.bias[:, None, None]


class Critic(nn.Module):
    """Features of a sample, and one number from them.

    A constant added to the number changes no Wasserstein loss: such a critic has no `bias`.
    """

    def __init__(self, features: nn.Sequential, n_features: int, *, bias: bool) -> None:
        super().__init__()
        self.features = features
        self.last = nn.Linear(n_features, 1, bias=bias)

    def forward(self, x_ng: Tensor) -> Tensor:
        value_n1: Tensor = self.last(self.features(x_ng))
        return value_n1.squeeze(1)


def generator(latent_dim: int, hidden: tuple[int, ...], n_vars: int) -> nn.Sequential:
    """From codes to profiles; `hidden` counts from the genes inwards."""
    return mlp([latent_dim, *reversed(hidden), n_vars])


def features(n_vars: int, hidden: tuple[int, ...], norm: Norm) -> tuple[nn.Sequential, int]:
    """The layers of a critic but the last, and how many features they end in; no normalisation
    next to the input."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise([n_vars, *hidden]):
        linear = glorot_linear(n_in, n_out)
        if layers:
            linear.register_parameter("bias", None)  # the normalisation brings its own
            layers += [linear, norm(n_out), nn.LeakyReLU(0.2)]
        else:
            layers += [linear, nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers), (n_vars, *hidden)[-1]


def encoder(n_vars: int, hidden: tuple[int, ...], latent_dim: int) -> nn.Sequential:
    """From profiles to codes."""
    return gene_encoder([n_vars, *hidden, latent_dim])


def image_generator(latent_dim: int, channels: int, shape: Shape) -> nn.Sequential:
    """From codes to images in [-1, 1]: strided transposed convolutions, batch normalisation and
    ReLU (Radford et al. 2016)."""
    widths, (height, width) = pyramid(channels, shape)
    n = widths[-1]
    layers: list[nn.Module] = [nn.Linear(latent_dim, n * height * width, bias=False)]
    layers += [nn.Unflatten(1, (n, height, width)), ChannelsLast(), AnyBatchNorm(n), _relu()]
    for n_in, n_out in pairwise(reversed(widths)):
        up = nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, bias=False)
        layers += [up, AnyBatchNorm(n_out), _relu()]
    layers += [ThinUp(channels, shape[0]), nn.Tanh(), nn.Flatten()]
    return by_pixel(nn.Sequential(*layers))


def image_features(channels: int, shape: Shape, norm: Norm) -> tuple[nn.Sequential, int]:
    """As `features`: strided convolutions, `norm` and leaky ReLU (Radford et al. 2016)."""
    widths, (height, width) = pyramid(channels, shape)
    first = nn.Conv2d(shape[0], channels, 4, stride=2, padding=1)
    layers: list[nn.Module] = [nn.Unflatten(1, shape), ChannelsLast(), first, _leaky_relu()]
    for n_in, n_out in pairwise(widths):
        down = nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=False)
        layers += [down, norm(n_out), _leaky_relu()]
    return by_pixel(nn.Sequential(*layers, nn.Flatten())), widths[-1] * height * width


def by_pixel(layers: nn.Sequential) -> nn.Sequential:
    """The same layers with weights of convolutions stored pixel by pixel, as images are."""
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def image_encoder(channels: int, shape: Shape, latent_dim: int) -> nn.Sequential:
    """As `encoder`."""
    layers, n = image_features(channels, shape, layer_norm)
    return nn.Sequential(*layers, nn.Linear(n, latent_dim))
