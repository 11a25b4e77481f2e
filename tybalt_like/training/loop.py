"""The one loop: epochs and mini-batches over resident tensors, for every model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from tybalt_like.errors import NonFiniteLossError
from tybalt_like.models.base import Batch, Model, Step, Training
from tybalt_like.models.history import History
from tybalt_like.training import checkpoint as checkpoints
from tybalt_like.training.seed import seeded

EpochHook = Callable[[dict[str, float], Training], None]


def train(
    model: Model,
    tensors: Mapping[str, Tensor],
    *,
    validation: Mapping[str, Tensor] | None = None,
    training: Training | None = None,
    checkpoint: Path | None = None,
    on_epoch: EpochHook | None = None,
) -> History:
    """Train a model in place on rows held in memory.

    Runs in the caller's random state: seed it (`seeded`) for a repeatable result.

    Parameters
    ----------
    model
        On the device of the tensors.
    tensors
        ``x_ng``, (n, g), and whatever else the model's steps ask for, all with n rows.
    validation
        The same for held-out rows; without them nothing is stopped early.
    training
        Epochs, batch size, learning rate, patience; the model's own defaults if None.
    checkpoint
        File to resume from if it exists, and to save to while training.
    on_epoch
        Called with each new row of the history.

    Raises
    ------
    NonFiniteLossError
        As soon as an epoch holds a loss that is NaN or infinite. The checkpoint of the last
        finite epoch stays.
    """
    training = training or model.training_defaults
    steps = model.steps()
    history, best = History(), None
    model.solve(Batch(tensors))
    if not steps:
        history.stopped = "solved in closed form"
        model.eval()
        return history
    optimizers = [step.optimizer(step.params, training.learning_rate) for step in steps]
    if checkpoint is not None and checkpoint.exists():
        history, best = checkpoints.restore(checkpoint, model, optimizers)
    saved_at = time.monotonic()
    while not history.stopped:
        row = _epoch(model, steps, optimizers, tensors, training, epoch=len(history.rows))
        if validation is not None:
            row |= _validate(model, steps, validation)
        history.rows.append(row)
        if _is_best(row, history, training):
            history.best_epoch, history.best_loss = int(row["epoch"]), row["val_loss"]
            best = checkpoints.snapshot(model)
        history.stopped = _stop_reason(history, training)
        if on_epoch is not None:
            on_epoch(row, training)
        overdue = time.monotonic() - saved_at > training.checkpoint_seconds
        if checkpoint is not None and (overdue or history.stopped):
            checkpoints.save(checkpoint, model, optimizers, history, best)
            saved_at = time.monotonic()
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    return history


def _epoch(
    model: Model,
    steps: Sequence[Step],
    optimizers: Sequence[torch.optim.Optimizer],
    tensors: Mapping[str, Tensor],
    training: Training,
    *,
    epoch: int,
) -> dict[str, float]:
    """One pass over the training rows; the history row with the means of all loss parts."""
    start = time.perf_counter()
    model.train()
    x_ng = tensors["x_ng"]
    order = torch.randperm(len(x_ng)).to(x_ng.device)
    log: dict[str, list[tuple[int, int, Tensor]]] = {}
    batches = list(_batches(order, training.batch_size))
    for i, rows in enumerate(batches):
        batch = Batch({key: t.index_select(0, rows) for key, t in tensors.items()}, epoch)
        for step, optimizer in zip(steps, optimizers, strict=True):
            if i % step.every:
                continue
            parts = step.loss(batch)
            optimizer.zero_grad(set_to_none=True)
            parts["loss"].backward()
            optimizer.step()
            for part, value in parts.items():
                log.setdefault(_named(step, part, steps), []).append((i, len(rows), value.detach()))
    row = {"epoch": float(epoch), "learning_rate": training.learning_rate}
    for part, entries in log.items():
        row[f"train_{part}"] = _mean(part, entries, batches, epoch)
    return row | {"seconds": time.perf_counter() - start}


def _mean(
    part: str, entries: list[tuple[int, int, Tensor]], batches: list[Tensor], epoch: int
) -> float:
    """Mean over samples of one loss part, read back from the device once per epoch."""
    values = torch.stack([value.double().cpu() for _, _, value in entries])
    finite = values.isfinite()
    if not finite.all():
        step = entries[int((~finite).nonzero()[0])][0]
        raise NonFiniteLossError(
            epoch=epoch, step=step, part=part, samples=sorted(batches[step].tolist())
        )
    sizes = torch.tensor([n for _, n, _ in entries], dtype=torch.float64)
    return float((values * sizes).sum() / sizes.sum())


@torch.no_grad()
def _validate(
    model: Model, steps: Sequence[Step], tensors: Mapping[str, Tensor]
) -> dict[str, float]:
    """Loss parts on held-out rows: final schedules, and the same noise in every epoch."""
    model.eval()
    row = {}
    with seeded(0):
        for step in steps:
            for part, value in step.loss(Batch(tensors)).items():
                row[f"val_{_named(step, part, steps)}"] = float(value)
    return row


def _batches(order: Tensor, size: int) -> Iterator[Tensor]:
    """Mini-batches of row numbers; a single last row joins the batch before it, because batch
    normalisation has no variance of one sample."""
    parts = list(order.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    yield from parts


def _named(step: Step, part: str, steps: Sequence[Step]) -> str:
    return part if len(steps) == 1 else f"{step.name}_{part}"


def _is_best(row: dict[str, float], history: History, training: Training) -> bool:
    judged = training.patience is not None and row["epoch"] >= training.min_epochs
    return judged and row.get("val_loss", math.inf) < history.best_loss


def _stop_reason(history: History, training: Training) -> str:
    """Why training ends now, in words, or nothing."""
    done = len(history.rows)
    waited = done - 1 - history.best_epoch if history.best_epoch >= 0 else 0
    restored = f"; weights of epoch {history.best_epoch} restored" if waited else ""
    if training.patience is not None and waited >= training.patience:
        return f"validation loss has not improved for {waited} epochs{restored}"
    return f"all {training.epochs} epochs done{restored}" if done >= training.epochs else ""
