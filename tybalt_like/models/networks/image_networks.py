"""Convolutions between images and codes, for autoencoders and as the parts that GANs share.

Rows are flat: an image of c channels, h rows and w columns is c h w numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from tybalt_like.core import distributed
from tybalt_like.core.errors import RecipeError
from tybalt_like.models.networks.blocks import BatchNorm, gene_encoder, mlp

Shape = tuple[int, int, int]
"""Channels, rows and columns."""

SMALLEST, WIDEST = 4, 8
"""Rows and columns to which an image is halved, at least; channels there, at most, as a multiple
of those at full size (Radford et al. 2016: 4 x 4 and 512 channels beside 64)."""


class AnyBatchNorm(BatchNorm):
    """Batch normalisation of features (n, k) or of channels (n, c, h, w)."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 2 or not distributed.is_sharing():
            return super().forward(x)
        last = x.movedim(1, -1)  # what processes share is summed over rows
        return super().forward(last.flatten(0, -2)).view(last.shape).movedim(-1, 1)


class ChannelsLast(nn.Module):
    """Stores images pixel by pixel, which convolutions on processors and GPUs are faster with."""

    def forward(self, x_nchw: Tensor) -> Tensor:
        return x_nchw.contiguous(memory_format=torch.channels_last)


class Bias(nn.Module):
    """Adds a number of its own to every value of a row."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n))

    def forward(self, x_ng: Tensor) -> Tensor:
        return x_ng + self.bias


def encoder_decoder(
    n_vars: int,
    latent_dim: int,
    *,
    hidden: Sequence[int],
    shape: Shape | None,
    channels: int,
    heads: int = 1,
) -> tuple[nn.Sequential, nn.Sequential]:
    """The two halves of an autoencoder: of profiles, or convolutional ones of images.

    The encoder's last layer has `latent_dim` x `heads` outputs. The decoder's last layer has a
    ``bias`` for every value of a row.
    """
    if shape is None:
        inner = gene_encoder([n_vars, *hidden, heads * latent_dim], heads=heads)
        return inner, mlp([latent_dim, *reversed(hidden), n_vars])
    check_shape(shape, n_vars)
    return (
        _image_encoder(latent_dim, hidden, shape, channels, heads),
        _image_decoder(latent_dim, hidden, shape, channels),
    )


def _image_encoder(
    latent_dim: int, hidden: Sequence[int], shape: Shape, channels: int, heads: int
) -> nn.Sequential:
    """Strided convolutions with batch normalisation, then dense layers."""
    widths, (height, width) = pyramid(channels, shape)
    layers: list[nn.Module] = [nn.Unflatten(1, shape)]
    for n_in, n_out in pairwise([shape[0], *widths]):
        layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=False)]
        layers += [ChannelsLast()] if n_in == shape[0] else []
        layers += [AnyBatchNorm(n_out), nn.ReLU()]
    sizes = [widths[-1] * height * width, *hidden, heads * latent_dim]
    return nn.Sequential(*layers, nn.Flatten(), *mlp(sizes, heads=heads))


def _image_decoder(
    latent_dim: int, hidden: Sequence[int], shape: Shape, channels: int
) -> nn.Sequential:
    """The encoder's layers the other way round."""
    widths, (height, width) = pyramid(channels, shape)
    n = widths[-1]
    dense = mlp([latent_dim, *reversed(hidden), n * height * width])
    layers: list[nn.Module] = [*dense, nn.Unflatten(1, (n, height, width)), ChannelsLast()]
    layers += [AnyBatchNorm(n), nn.ReLU()]
    for n_in, n_out in pairwise(reversed(widths)):
        up = nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, bias=False)
        layers += [up, AnyBatchNorm(n_out), nn.ReLU()]
    last = nn.ConvTranspose2d(widths[0], shape[0], 4, stride=2, padding=1, bias=False)
    return nn.Sequential(*layers, last, nn.Flatten(), Bias(shape[0] * shape[1] * shape[2]))


def check_shape(shape: Shape, n_vars: int) -> None:
    """Refuse a shape that a row does not have.

    Raises
    ------
    RecipeError
        Says how many values there are.
    """
    if shape[0] * shape[1] * shape[2] != n_vars:
        raise RecipeError(
            f"model.image_shape: {shape[0]} x {shape[1]} x {shape[2]} are not the {n_vars} "
            "values of a row"
        )


def pyramid(channels: int, shape: Shape) -> tuple[list[int], tuple[int, int]]:
    """Channels after each halving of an image, and its height and width at last.

    Raises
    ------
    RecipeError
        If the image cannot be halved once.
    """
    widths: list[int] = []
    _, height, width = shape
    while height % 2 == width % 2 == 0 and min(height, width) // 2 >= SMALLEST:
        height, width = height // 2, width // 2
        widths.append(min(channels * 2 ** len(widths), channels * WIDEST))
    if not widths:
        raise RecipeError(
            f"model.image_shape: images of {shape[1]} x {shape[2]} pixels cannot be halved; both "
            f"sides must be even and at least {2 * SMALLEST}"
        )
    return widths, (height, width)


def unit_response(decode: Callable[[Tensor], Tensor], like_kk: Tensor) -> Tensor:
    """Half the change of a decoded row when a feature goes from -1 to 1 and all others are 0,
    (k, g); what decoders that are no chain of matrices have for weights."""
    return (decode(like_kk) - decode(-like_kk)) / 2
