"""Where tensors live."""

from __future__ import annotations

import torch

from tybalt_like.core.distributed import local_rank
from tybalt_like.core.errors import RecipeError


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; ``"auto"`` takes CUDA, then MPS, then the CPU.

    Of several CUDA devices, each process on this machine takes its own.

    Raises
    ------
    RecipeError
        If the device is unknown or absent.
    """
    have = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((kind for kind, there in have.items() if there), "cpu")
    if name not in ("cpu", "cuda", "mps"):
        raise RecipeError(f"unknown device {name!r}; use auto, cpu, cuda or mps")
    if not have.get(name, True):
        raise RecipeError(f"device {name!r} is not available here; use --device auto or cpu")
    return torch.device(name, local_rank()) if name == "cuda" else torch.device(name)
