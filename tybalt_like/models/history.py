"""Training history as plain data."""

from __future__ import annotations

import math
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
