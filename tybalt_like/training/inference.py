"""A fitted model applied to rows."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tybalt_like.models.base import Batch, Model

ROWS = 2048
"""Rows in flight at once, which bounds memory."""


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

    Computed in double precision and then rounded to `dtype`, so that a sample's result does not
    depend on the rows it is batched with: in single precision, matrix products of different
    heights differ in the last bits.
    """
    device = next(iter(model.state_dict().values())).device
    exact = torch.float32 if device.type == "mps" else torch.float64
    model = copy.deepcopy(model).to(exact).eval()
    arrays = {"x_ng": x_ng, **(given or {})}
    latents, reconstructions = [], []
    for start in range(0, len(x_ng), ROWS):
        rows = {name: a[start : start + ROWS] for name, a in arrays.items()}
        batch = Batch({name: torch.as_tensor(a).to(device, exact) for name, a in rows.items()})
        z_nk, decoded_ng = model.infer(batch)
        latents.append(z_nk.cpu().numpy().astype(dtype))
        reconstructions.append(decoded_ng.cpu().numpy().astype(dtype))
    return Inference(np.concatenate(latents), np.concatenate(reconstructions))
