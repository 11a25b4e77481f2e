"""Where tensors live, and how many threads work on them in children."""

from __future__ import annotations

import os

import torch

from tybalt_like.core.distributed import own_gpu
from tybalt_like.core.errors import RecipeError

if hasattr(os, "register_at_fork"):
    # The threads of a process are not in its forked children, which would wait for them for ever;
    # joblib and launchers fork.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; ``"auto"`` takes CUDA, then MPS, then the CPU.

    Of several CUDA devices, each process on this machine takes its own. On CUDA, convolutions are
    from then on computed in full single precision and in one order, for the whole process.

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
    if name != "cuda":
        return torch.device(name)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False  # 10 bits would be further from the CPU's results
    return torch.device(name, own_gpu())


def exact(device: torch.device) -> torch.dtype:
    """The most exact floating-point numbers that a device has."""
    return torch.float32 if device.type == "mps" else torch.float64
