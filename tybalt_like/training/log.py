"""The loss parts of an epoch, kept on the device and read back once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tybalt_like.core import distributed
from tybalt_like.core.errors import NonFiniteLossError


class Log:
    """Values of named parts, one per update."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[int, int, Tensor]]] = {}

    def add(self, name: str, value: Tensor, *, step: int, n: int) -> None:
        """Note a mean over the `n` samples of mini-batch number `step`."""
        self._entries.setdefault(name, []).append((step, n, value.detach()))

    def means(self, epoch: int, batches: Sequence[Tensor]) -> dict[str, float]:
        """Mean over the samples of all processes, by name.

        Raises
        ------
        NonFiniteLossError
            Names the first mini-batch in which a part was NaN or infinite.
        """
        return {name: self._mean(name, epoch, batches) for name in self._entries}

    def _mean(self, name: str, epoch: int, batches: Sequence[Tensor]) -> float:
        steps, sizes, values = zip(*self._entries[name], strict=True)
        value_b = torch.stack(values).cpu().double()
        n_b = torch.tensor(sizes, dtype=torch.float64)
        total, n = distributed.total(torch.stack([(value_b * n_b).sum(), n_b.sum()])).tolist()
        if not torch.tensor(total).isfinite():
            bad = [step for step, value in zip(steps, value_b, strict=True) if not value.isfinite()]
            step = min(s for found in distributed.gathered(bad[:1]) for s in found)
            raise NonFiniteLossError(
                epoch=epoch, step=step, part=name, samples=sorted(batches[step].tolist())
            )
        return float(total / n)
