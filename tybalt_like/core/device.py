"""Where tensors live, and how many threads work on them in children."""

from __future__ import annotations

import os

import torch

from tybalt_like.core.distributed import local_rank
from tybalt_like.core.errors import RecipeError

if hasattr(os, "register_at_fork"):
    # The threads of a process are not in its forked children, which would wait for them for ever;
    # joblib and launchers fork.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


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
