"""Random numbers of training, the same on every device and for any number of processes.

They are drawn on the CPU. An update that a GPU replays (`training.replay`) looks for them where it
found them when it was recorded: what is drawn can be noted, handed out, and drawn anew in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from tybalt_like.core.distributed import part_of

Draws = list[tuple[Callable[..., Tensor], Tensor]]
"""What was drawn, in order: how, and a tensor of its own that holds it."""
_noted: Draws | None = None
_handed: Iterator[Tensor] | None = None


def noise_like(x_nk: Tensor) -> Tensor:
    """Standard normal noise; of a shared mini-batch, this process's rows of the batch's noise."""
    return _drawn(torch.randn, x_nk)


def uniform_like(x_nk: Tensor) -> Tensor:
    """The same, uniform in [0, 1)."""
    return _drawn(torch.rand, x_nk)


def _drawn(draw: Callable[..., Tensor], x_nk: Tensor) -> Tensor:
    if _handed is not None:
        return next(_handed)
    start, stop, n = part_of(len(x_nk))
    found = draw(n, *x_nk.shape[1:], dtype=x_nk.dtype)[start:stop].to(x_nk.device)
    if _noted is not None:
        _noted.append((draw, found.clone()))
    return found


@contextmanager
def noting(draws: Draws) -> Iterator[None]:
    """Meanwhile what is drawn is added to `draws`."""
    global _noted  # noqa: PLW0603 - drawn deep inside the models
    _noted = draws
    try:
        yield
    finally:
        _noted = None


@contextmanager
def handing_out(draws: Draws) -> Iterator[None]:
    """Meanwhile nothing is drawn: the tensors of `draws` are handed out, in order."""
    global _handed  # noqa: PLW0603
    _handed = iter([values for _, values in draws])
    try:
        yield
    finally:
        _handed = None


def draw_anew(draws: Draws) -> None:
    """Fill the tensors of `draws` with what would be drawn now."""
    for draw, values in draws:
        values.copy_(draw(*values.shape, dtype=values.dtype))
