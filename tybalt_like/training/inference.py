"""A fitted model applied to rows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tybalt_like.core.device import exact
from tybalt_like.core.rows import blocks
from tybalt_like.models.base import Batch, Model

M = TypeVar("M", bound=Model)


class Inference(NamedTuple):
    """Latent coordinates (n, k) and reconstruction (n, g)."""

    z_nk: NDArray[np.floating]
    reconstruction_ng: NDArray[np.floating]


@torch.no_grad()
def infer(
    model: Model,
    x_ng: NDArray[np.floating],
    *,
    given: Mapping[str, NDArray[np.floating]] | None = None,
    dtype: type[np.floating] = np.float32,
) -> Inference:
    """Encode and decode rows, on the model's device.

    `given` is what else the model takes of the same rows, by the names of `Batch.tensors`.

    Computed in double precision and then rounded to `dtype`, so that a sample's result hardly
    depends on the rows it is batched with: in single precision, matrix products of different
    heights differ in the last bits. Batches are those of `core.rows`.
    """
    latents, reconstructions = [], []
    for copied, batch in exact_batches(model, {"x_ng": x_ng, **(given or {})}):
        z_nk, decoded_ng = copied.infer(batch)
        latents.append(z_nk.cpu().numpy().astype(dtype))
        reconstructions.append(decoded_ng.cpu().numpy().astype(dtype))
    return Inference(np.concatenate(latents), np.concatenate(reconstructions))


@torch.no_grad()
def applied(
    model: M,
    method: Callable[[M, Batch], Mapping[str, Tensor]],
    x_ng: NDArray[np.floating],
    *,
    given: Mapping[str, NDArray[np.floating]] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """What a method of the model, such as `Model.score`, says of rows, by name; see `infer`."""
    parts: dict[str, list[NDArray[np.float64]]] = {}
    for copied, batch in exact_batches(model, {"x_ng": x_ng, **(given or {})}):
        for name, values in method(copied, batch).items():
            parts.setdefault(name, []).append(values.detach().cpu().double().numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}


def decoder(
    model: Model,
    x_ng: NDArray[np.floating],
    *,
    given: Mapping[str, NDArray[np.floating]] | None = None,
) -> Callable[[NDArray[np.floating]], NDArray[np.float64]]:
    """What the model decodes from other latent coordinates of the same rows, (n, k) to (n, g), in
    double precision, with all else that it knows of them; see `infer`."""
    batches = list(exact_batches(model, {"x_ng": x_ng, **(given or {})}))

    @torch.no_grad()
    def decode(z_nk: NDArray[np.floating]) -> NDArray[np.float64]:
        decoded, start = [], 0
        for copied, batch in batches:
            rows = slice(start, start := start + len(batch.x_ng))
            known = batch.at(torch.as_tensor(z_nk[rows]).to(batch.x_ng))
            decoded.append(copied.infer(known)[1].cpu().double().numpy())
        return np.concatenate(decoded)

    return decode


def exact_batches(
    model: M, arrays: Mapping[str, NDArray[np.floating]]
) -> Iterator[tuple[M, Batch]]:
    """A copy of the model in double precision, if the device has it, with some rows at a time."""
    device = next(iter(model.state_dict().values())).device
    dtype = exact(device)
    copied = copy.deepcopy(model).to(dtype).eval()
    for rows in blocks(len(arrays["x_ng"])):
        tensors = {name: torch.as_tensor(a[rows]).to(device, dtype) for name, a in arrays.items()}
        yield copied, Batch(tensors)
