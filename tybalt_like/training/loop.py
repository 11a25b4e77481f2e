"""The one loop: epochs and mini-batches over rows in memory or on disk, for every model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from tybalt_like.core import distributed, sigterm
from tybalt_like.models.base import Batch, Model, Step, Training
from tybalt_like.models.history import History
from tybalt_like.training import checkpoint as checkpoints
from tybalt_like.training.learning_rate import learning_rate_factor
from tybalt_like.training.log import Log
from tybalt_like.training.rows import Rows, rows_of
from tybalt_like.training.seed import seeded
from tybalt_like.training.update import Update

SMOOTHED = 3
"""Epochs over which a criterion is averaged: rankings of few samples jump."""
EpochHook = Callable[[dict[str, float], Training], None]


def train(
    model: Model,
    samples: Rows | Mapping[str, Tensor],
    *,
    validation: Rows | Mapping[str, Tensor] | None = None,
    training: Training | None = None,
    checkpoint: Path | None = None,
    on_epoch: EpochHook | None = None,
) -> History:
    """Train a model in place.

    Runs in the caller's random state: seed it (`seeded`) for a repeatable result. Processes that
    ``torchrun`` started share every mini-batch; all of them call this with the same arguments.

    Parameters
    ----------
    model
        On the device of the tensors.
    samples
        ``x_ng``, (n, g), and whatever else the model's steps ask for, all with n rows: tensors, or
        `Stored` rows. With ``weight_n``, an epoch draws rows in proportion to it, with replacement.
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
    Terminated
        At the end of the epoch in which SIGTERM came (`sigterm.postponed`), the checkpoint saved.
    NonFiniteLossError
        As soon as an epoch holds a loss that is NaN or infinite. The checkpoint of the last
        finite epoch stays.
    """
    training = training or model.training_defaults
    history, best = History(), None
    rows = rows_of(samples)
    n_solved = _solve(model, rows)
    updates = [Update(step, training) for step in model.steps()]
    if not updates:
        of = f", from {n_solved:,} random samples of {len(rows):,}" if n_solved < len(rows) else ""
        history.stopped = f"solved in closed form{of}"
        model.eval()
        return history
    optimizers = [update.optimizer for update in updates]
    if checkpoint is not None and distributed.agreed(checkpoint.exists()):
        history, best = checkpoints.restore(checkpoint, model, optimizers)
    saved_at, saved_epochs = time.monotonic(), len(history.rows)
    while not history.stopped:
        row = _epoch(model, updates, rows, training, history)
        if validation is not None:
            row |= {f"val_{part}": value for part, value in losses(model, validation).items()}
        row, is_last = distributed.agreed((row, sigterm.is_asked()))
        history.rows.append(row)
        criterion = _criterion(history)
        if _is_best(row, criterion, history, training):
            history.best_epoch, history.best_loss = int(row["epoch"]), criterion
            best = checkpoints.snapshot(model)
        history.stopped = _stop_reason(history, training)
        if on_epoch is not None:
            on_epoch(row, training)
        due = is_last or time.monotonic() - saved_at > training.checkpoint_seconds
        if training.checkpoint_epochs is not None:
            due |= len(history.rows) - saved_epochs >= training.checkpoint_epochs
        if checkpoint is not None and distributed.is_main() and (due or history.stopped):
            checkpoints.save(checkpoint, model, optimizers, history, best)
            saved_at, saved_epochs = time.monotonic(), len(history.rows)
        if is_last:
            raise sigterm.Terminated
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    if type(model).settle is not Model.settle:
        with torch.no_grad():
            held_out = None if validation is None else Batch(rows_of(validation).some())
            model.settle(Batch(rows.some()), held_out)
    return history


def _solve(model: Model, rows: Rows) -> int:
    """Let the model set what it can from the rows that there is room for; how many these are."""
    if type(model).solve is Model.solve:
        return len(rows)
    batch = Batch(rows.some())
    model.solve(batch)
    return len(batch.x_ng)


def _epoch(
    model: Model,
    updates: Sequence[Update],
    rows: Rows,
    training: Training,
    history: History,
) -> dict[str, float]:
    """One pass over the training rows; the history row with the means of all loss parts."""
    start, epoch = time.perf_counter(), len(history.rows)
    factor = learning_rate_factor(training, history)
    for update in updates:
        update.scale_learning_rate(factor)
    model.train()
    batches = _batches(rows, training)
    log = Log()
    for i, tensors in enumerate(rows.batches(batches)):
        with distributed.sharing(batches[i]):
            batch = Batch(tensors, epoch)
            for update in updates:
                if i % update.step.every:
                    continue
                is_last = i + update.step.every >= len(batches)
                for part, value in update(batch, want_norm=is_last).items():
                    name = _named(part, update.step, of=len(updates))
                    log.add(name, value, step=i, n=len(batch.x_ng))
    row = {"epoch": float(epoch), "learning_rate": training.learning_rate * factor}
    for name, mean in log.means(epoch, batches).items():
        row[name if name.endswith("gradient_norm") else f"train_{name}"] = mean
    return row | {"seconds": time.perf_counter() - start}


@torch.no_grad()
def losses(model: Model, samples: Rows | Mapping[str, Tensor]) -> dict[str, float]:
    """Every named loss part on held-out rows, and the model's criterion if it has one.

    Schedules are at their final value and the noise is always the same, so that epochs and models
    with other seeds compare. Of rows on disk, the mean over the parts that they are read in.
    """
    model.eval()
    steps, rows = model.steps(), rows_of(samples)
    row: dict[str, float] = {}
    with seeded(0):
        for batch in map(Batch, rows.parts()):
            found = dict[str, Tensor]()
            for step in steps:
                of_step = step.loss(batch).items()
                found |= {_named(part, step, of=len(steps)): value for part, value in of_step}
            found |= model.criterion(batch)
            share = len(batch.x_ng) / len(rows)
            row |= {part: row.get(part, 0.0) + share * float(v) for part, v in found.items()}
    return row


def _batches(rows: Rows, training: Training) -> list[Tensor]:
    """Mini-batches of row numbers; a last one of fewer rows than it takes (two for batch
    normalisation, one for every process) joins the batch before it."""
    batches: list[Tensor] = []
    while len(batches) < training.min_batches:
        of_pass = list(rows.shuffled(training.batch_size).split(training.batch_size))
        if len(of_pass) > 1 and len(of_pass[-1]) < max(2, distributed.n_processes()):
            of_pass[-2:] = [torch.cat(of_pass[-2:])]
        batches += of_pass
    return batches


def _named(part: str, step: Step, *, of: int) -> str:
    return part if of == 1 else f"{step.name}_{part}"


def _criterion(history: History) -> float:
    """What early stopping goes by: the validation loss, or the mean of the last criteria."""
    recent = [row["val_criterion"] for row in history.rows[-SMOOTHED:] if "val_criterion" in row]
    return sum(recent) / len(recent) if recent else history.rows[-1].get("val_loss", math.inf)


def _is_best(row: dict[str, float], criterion: float, history: History, training: Training) -> bool:
    due = training.patience is not None and row["epoch"] >= training.min_epochs
    return due and criterion < history.best_loss


def _stop_reason(history: History, training: Training) -> str:
    """Why training ends now, in words, or nothing."""
    done = len(history.rows)
    waited = done - 1 - history.best_epoch if history.best_epoch >= 0 else 0
    restored = f"; weights of epoch {history.best_epoch} restored" if waited else ""
    if training.patience is not None and waited >= training.patience:
        by = "criterion" if "val_criterion" in history.rows[-1] else "loss"
        return f"validation {by} has not improved for {waited} epochs{restored}"
    return f"all {training.epochs} epochs done{restored}" if done >= training.epochs else ""
