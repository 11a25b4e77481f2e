"""The learning rate of an epoch, from nothing but the history: resuming needs no state of it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tybalt_like.models.base import Training
from tybalt_like.models.history import History


def learning_rate_factor(training: Training, history: History) -> float:
    """By what the next epoch multiplies the learning rate of every optimiser."""
    epoch = len(history.rows)
    if training.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / training.epochs))
    if training.schedule == "plateau" and training.patience is not None:
        judged = history.rows[training.min_epochs :]
        losses = (row["val_loss"] for row in judged if "val_loss" in row)
        return 0.5 ** _stalls(losses, wait=max(1, training.patience // 2))
    return 1.0


def _stalls(losses: Iterable[float], *, wait: int) -> int:
    """How often `wait` epochs in a row brought nothing better."""
    best, since, stalls = math.inf, 0, 0
    for loss in losses:
        best, since = (loss, 0) if loss < best else (best, since + 1)
        if since == wait:
            stalls, since = stalls + 1, 0
    return stalls
