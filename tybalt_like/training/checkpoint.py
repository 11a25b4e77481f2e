"""Everything that the next epoch depends on, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from tybalt_like.core.files import whole_file
from tybalt_like.core.stored import sound
from tybalt_like.models.history import History

Weights = dict[str, Tensor]


def snapshot(model: nn.Module) -> Weights:
    """A copy of the model's parameters and buffers."""
    return {key: value.detach().clone() for key, value in model.state_dict().items()}


def save(
    path: Path,
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    history: History,
    best: Weights | None,
) -> None:
    """Write the state of training; the old file stays until the new one is whole."""
    from safetensors.torch import save as to_bytes

    tensors = {"rng": torch.get_rng_state()}
    tensors |= {f"model.{key}": value for key, value in model.state_dict().items()}
    tensors |= {f"best.{key}": value for key, value in (best or {}).items()}
    for i, optimizer in enumerate(optimizers):
        for row, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{row}.{key}": value for key, value in state.items()}
    tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with whole_file(path) as partial:
        partial.write_bytes(to_bytes(tensors, {"history": json.dumps(history.to_dict())}))


def restore(
    path: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> tuple[History, Weights | None]:
    """Put everything back as it was when `save` wrote the file.

    Raises
    ------
    DataError
        If it is damaged.
    """
    with sound(path):
        return _restored(path, model, optimizers)


def _restored(
    path: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> tuple[History, Weights | None]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        history = History(**json.loads(file.metadata()["history"]))
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    model.load_state_dict(_under(tensors, "model."))
    for i, optimizer in enumerate(optimizers):
        state: dict[int, Weights] = {}
        for key, value in _under(tensors, f"optimizer.{i}.").items():
            row, name = key.split(".", 1)
            state.setdefault(int(row), {})[name] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    torch.set_rng_state(tensors["rng"])
    return history, _under(tensors, "best.") or None


def _under(tensors: Weights, prefix: str) -> Weights:
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
