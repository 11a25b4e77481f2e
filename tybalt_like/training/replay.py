"""Updates on a GPU, recorded once an epoch and replayed for its other mini-batches."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from tybalt_like.core import draws
from tybalt_like.models.base import Batch


class Carry(Protocol):
    """Carries out an update and asks the device for no value."""

    def __call__(self, batch: Batch, *, want_norm: bool) -> dict[str, Tensor]:
        """The loss parts before it, and the norm of the gradient."""


class Replay:
    """An update whose some hundred kernels are launched as one, a CUDA graph: to launch them one
    by one takes several times as long as small models need to compute.

    What changes from one epoch to the next, the learning rate and the weights of the loss, is
    recorded as it is; so every epoch records anew. Its first mini-batch, those of another size,
    and those of which the norm is wanted, are computed as they would be without; so are all, if
    the device refuses to record one. Random numbers are drawn as before, in the same order.
    """

    def __init__(self, update: Carry, optimizer: torch.optim.Optimizer) -> None:
        self.update, self.optimizer = update, optimizer
        self._stream = torch.cuda.Stream()
        self._epoch: int | None = None
        self._n_rows = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._is_refused = False
        self._batch, self._parts = Batch({}), dict[str, Tensor]()
        self._draws: draws.Draws = []

    def __call__(self, batch: Batch, *, want_norm: bool) -> dict[str, Tensor]:
        """The loss parts before the update, and the norm of the gradient if wanted."""
        if batch.epoch != self._epoch:
            self._epoch, self._n_rows, self._graph = batch.epoch, len(batch.x_ng), None
            self._draws = []
            with draws.noting(self._draws):
                return self._computed(batch, want_norm=want_norm)
        if want_norm or len(batch.x_ng) != self._n_rows:
            return self._computed(batch, want_norm=want_norm)
        if self._graph is None and not self._is_refused:
            self._graph = self._recorded(batch)
        if self._graph is None:
            return self._computed(batch, want_norm=False)
        for name, values in batch.tensors.items():
            self._batch.tensors[name].copy_(values)
        draws.draw_anew(self._draws)
        self._graph.replay()
        return {name: part.clone() for name, part in self._parts.items()}

    def _computed(self, batch: Batch, *, want_norm: bool) -> dict[str, Tensor]:
        """On the stream that records: what libraries set up is then there."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            parts = self.update(batch, want_norm=want_norm)
        torch.cuda.current_stream().wait_stream(self._stream)
        return parts

    def _recorded(self, batch: Batch) -> torch.cuda.CUDAGraph | None:
        """Nothing is computed yet."""
        tensors = {name: values.clone() for name, values in batch.tensors.items()}
        self._batch = Batch(tensors, batch.epoch)
        for group in self.optimizer.param_groups:
            group["capturable"] = True
        graph = torch.cuda.CUDAGraph()
        try:
            with draws.handing_out(self._draws), torch.cuda.graph(graph, stream=self._stream):
                parts = self.update(self._batch, want_norm=False)
        except RuntimeError:
            self._is_refused = True
            return None
        self._parts = {name: part.detach() for name, part in parts.items()}
        return graph
