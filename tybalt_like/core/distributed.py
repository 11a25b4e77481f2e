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


def own_gpu() -> int:
    """Which of this machine's GPUs belongs to this process; several share one where there are
    fewer."""
    return int(os.environ.get("LOCAL_RANK", "0")) % max(1, torch.cuda.device_count())


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes that ``torchrun`` started, if it did."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or n_processes() > 1:
        yield
        return
    here, backend = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(own_gpu())
        if dist.is_nccl_available() and torch.cuda.device_count() >= here:
            backend = "cpu:gloo,cuda:nccl"  # NCCL wants a GPU for each, and takes nothing else
    dist.init_process_group(backend)
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


def part_of(n: int) -> tuple[int, int, int]:
    """First row of this process's part of a mini-batch, the one after the last, and the rows of the
    batch, where this process has n."""
    return _part or (0, n, n)


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


def all_rows(x_nk: Tensor) -> Tensor:
    """Of a shared mini-batch the rows of all processes, through which gradients flow: for losses
    that compare samples. Every process then has the same loss of the whole batch."""
    if _part is None:
        return x_nk
    start, stop, n = _part
    before, after = (x_nk.new_zeros(m, *x_nk.shape[1:]) for m in (start, n - stop))
    return total(torch.cat([before, x_nk, after]))


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
