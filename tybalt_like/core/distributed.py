"""Several processes that train one model together, as ``torchrun`` starts them.

Every process holds all samples and the same random state, and takes its part of each mini-batch.
Sums over the batch, the gradients and the noise are those of the whole batch, so that the result
does not depend on the number of processes. A single process needs none of this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")

_part: tuple[int, int, int] | None = None
"""First and last row of this process in the mini-batch at hand, and the rows of the batch."""


def n_processes() -> int:
    """Processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_main() -> bool:
    """True in the one process that writes and talks."""
    return os.environ.get("RANK", "0") == "0"


def local_rank() -> int:
    """Which of this machine's devices belongs to this process."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes that ``torchrun`` started, if it did."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or n_processes() > 1:
        yield
        return
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def mine(rows: Tensor) -> Tensor:
    """The part of the rows of a mini-batch that is this process's: all if there is one."""
    return rows if n_processes() == 1 else rows.tensor_split(n_processes())[dist.get_rank()]


@contextmanager
def sharing(rows: Tensor) -> Iterator[None]:
    """While this process works on its part of a mini-batch (`mine`)."""
    global _part  # noqa: PLW0603 - noise and batch statistics are drawn deep inside the models
    if n_processes() == 1:
        yield
        return
    before = sum(len(part) for part in rows.tensor_split(n_processes())[: dist.get_rank()])
    _part = before, before + len(mine(rows)), len(rows)
    try:
        yield
    finally:
        _part = None


def is_sharing() -> bool:
    """True while a mini-batch is divided among processes."""
    return _part is not None


def noise_like(x_nk: Tensor) -> Tensor:
    """Standard normal noise; of a shared mini-batch, this process's rows of the batch's noise."""
    if _part is None:
        return torch.randn_like(x_nk)
    start, stop, n = _part
    return torch.randn(n, *x_nk.shape[1:], dtype=x_nk.dtype, device=x_nk.device)[start:stop]


def weight() -> float:
    """By what a mean over this process's rows is multiplied, so that the mean over processes is
    the mean over the batch."""
    if _part is None:
        return 1.0
    start, stop, n = _part
    return (stop - start) * n_processes() / n


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Tensor:  # noqa: ARG004
        total = grad[0].clone()
        dist.all_reduce(total)
        return total


def total(x: Tensor) -> Tensor:
    """Sum over processes, through which gradients flow."""
    summed: Tensor = _Total.apply(x) if n_processes() > 1 else x  # type: ignore[no-untyped-call]
    return summed


def agreed(value: T) -> T:
    """What the main process has, in every process."""
    if n_processes() == 1:
        return value
    holder = [value]
    dist.broadcast_object_list(holder, src=0)
    return holder[0]


def gathered(value: T) -> list[T]:
    """What every process has, in their order."""
    if n_processes() == 1:
        return [value]
    values: list[Any] = [None] * n_processes()
    dist.all_gather_object(values, value)
    return values
