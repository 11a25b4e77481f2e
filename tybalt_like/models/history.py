"""Training history as plain data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import pandas as pd


@dataclass
class History:
    """What happened in each epoch, and why training ended.

    Attributes
    ----------
    rows
        One dict per epoch: ``epoch``, ``seconds``, ``learning_rate``, every named loss part as
        ``train_<part>`` and ``val_<part>``, and the norm of the last mini-batch's gradient
        (before it is clipped) as ``gradient_norm``. A model with several steps names each part
        ``<step>_<part>``.
    best_epoch
        Epoch whose weights were restored, -1 if the last ones were kept.
    best_loss
        Validation loss of that epoch, or the criterion that the model is judged by instead.
    stopped
        The reason why training ended, in words.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    best_loss: float = math.inf
    stopped: str = ""

    def frame(self) -> pd.DataFrame:
        """One row per epoch."""
        return pd.DataFrame(self.rows, columns=None if self.rows else ["epoch"])

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def losses(row: Mapping[str, float]) -> str:
    """The loss of an epoch in words; of models with several optimisers, of each of them."""
    loss = row.get("val_loss", row.get("train_loss"))
    if loss is not None:
        return f"loss {loss:,.1f}"
    found = {re.fullmatch("train_(.+)_loss", name): value for name, value in row.items()}
    of_steps = {match[1]: value for match, value in found.items() if match}
    return "loss " + ", ".join(f"{step} {value:,.2f}" for step, value in of_steps.items())
