"""One optimiser's share of an iteration, carried out."""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from tybalt_like.core import distributed
from tybalt_like.models.base import Batch, Step, Training
from tybalt_like.training.replay import Replay


class Update:
    """A step with its optimiser; one call is one update of the step's parameters.

    Where several processes share the mini-batches, their gradients are averaged.
    """

    def __init__(self, step: Step, training: Training) -> None:
        self.step, self.params = step, [p for p in step.params if p.requires_grad]
        self.max_norm = training.max_grad_norm
        self.optimizer = step.optimizer(self.params, training.learning_rate)
        self.learning_rates = [group["lr"] for group in self.optimizer.param_groups]
        device = self.params[0].device.type
        self.cast = (
            partial(torch.autocast, device, torch.bfloat16)
            if training.precision == "bfloat16"
            else nullcontext
        )
        self.loss = step.loss
        self.replay = None
        if step.replays and device == "cuda" and distributed.n_processes() == 1:
            self.replay = Replay(self._carried_out, self.optimizer)
        if distributed.n_processes() > 1:
            self.loss = DistributedDataParallel(_Loss(step))

    def scale_learning_rate(self, factor: float) -> None:
        """Set every parameter group to its own learning rate times `factor`."""
        for group, rate in zip(self.optimizer.param_groups, self.learning_rates, strict=True):
            group["lr"] = rate * factor

    def __call__(self, batch: Batch, *, want_norm: bool) -> dict[str, Tensor]:
        """The loss parts before the update and, if wanted, the gradient's norm before clipping."""
        if self.replay is not None:
            return self.replay(batch, want_norm=want_norm)
        return self._carried_out(batch, want_norm=want_norm)

    def _carried_out(self, batch: Batch, *, want_norm: bool) -> dict[str, Tensor]:
        with self.cast():
            parts = self.loss(batch)
        loss, weight = parts["loss"], distributed.weight()
        for param in self.params:
            param.grad = None
        (loss if weight == 1 else loss * weight).backward()
        norm = {}
        if want_norm or self.max_norm is not None:
            total = clip_grad_norm_(self.params, self.max_norm or math.inf)
            norm = {"gradient_norm": total} if want_norm else {}
        self.optimizer.step()
        if self.step.after is not None:
            self.step.after()
        return parts | norm


class _Loss(nn.Module):
    """A step as a module: what DistributedDataParallel can wrap."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.params = nn.ParameterList(step.params)
        self.step = step

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self.step.loss(batch)
