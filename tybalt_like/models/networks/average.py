"""Moving averages of weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """A copy of a network whose weights are the moving average of the network's.

    It never trains: no gradients, and normalisations use their running statistics.
    """

    n_updates: Tensor

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.network, self.decay = copy.deepcopy(network).eval().requires_grad_(False), decay
        self.register_buffer("n_updates", torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.network(x)
        return output

    def train(self, mode: bool = True) -> Average:  # noqa: ARG002 - it never trains
        return super().train(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the network's weights as they are now."""
        decay = min(self.decay, float((1 + self.n_updates) / (10 + self.n_updates)))
        self.n_updates += 1
        pairs = zip(_values(self.network), _values(network), strict=True)
        means, news = zip(*((m, n) for m, n in pairs if m.is_floating_point()), strict=True)
        torch._foreach_lerp_(means, news, 1 - decay if self.decay else 1.0)


def _values(network: nn.Module) -> Iterator[Tensor]:
    """Weights, and the running statistics of normalisations."""
    yield from network.parameters()
    yield from network.buffers()
