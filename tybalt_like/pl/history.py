"""How training went."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tybalt_like.core.errors import DataError
from tybalt_like.pl.theme import theme

_TITLES = {
    "loss": "Loss",
    "reconstruction": "Reconstruction",
    "kl": "KL divergence",
    "beta": "Weight of the KL (beta)",
}
_COLORS = {"train": "#56B4E9", "val": "#0072B2"}


@theme
def training(
    history: pd.DataFrame, *, entropy_floor: float | None = None, best_epoch: int | None = None
) -> Figure:
    """Every part of the loss against the epoch, for training and validation samples.

    Parameters
    ----------
    history
        One row per epoch: ``epoch``, and ``train_<part>`` and ``val_<part>`` for each part.
    entropy_floor
        Lowest loss that any model could reach on the validation samples.
    best_epoch
        Epoch whose weights were kept; None or a negative number marks nothing.

    Raises
    ------
    DataError
        If the history holds no losses.
    """
    names = map(str, history.columns)
    parts = [name.removeprefix("train_") for name in names if name.startswith("train_")]
    if not parts or history.empty:
        raise DataError("the training history is empty: this model was not trained in epochs")
    n_columns = min(len(parts), 4)
    n_rows = -(-len(parts) // n_columns)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(3.3 * n_columns, 2.9 * n_rows), squeeze=False
    )
    for ax, part in zip(axes.flat, parts, strict=False):
        _draw_part(ax, history, part, best_epoch=best_epoch)
    for ax in axes.flat[len(parts) :]:
        ax.set_axis_off()
    main = axes.flat[parts.index("loss") if "loss" in parts else 0]
    if entropy_floor is not None:
        main.axhline(
            entropy_floor,
            color="#666666",
            ls="--",
            lw=1.2,
            label="lowest loss possible:\nentropy of the targets",
        )
    handles, names = main.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    return figure


def _draw_part(ax: Axes, history: pd.DataFrame, part: str, *, best_epoch: int | None) -> None:
    for split, name in (("train", "training samples"), ("val", "validation samples")):
        # Validation always sees the final weight of a schedule: a line would say nothing.
        if f"{split}_{part}" in history and (split, part) != ("val", "beta"):
            ax.plot(history["epoch"], history[f"{split}_{part}"], color=_COLORS[split], label=name)
    if best_epoch is not None and best_epoch >= 0:
        ax.axvline(best_epoch, color="#D55E00", lw=1.2, label=f"weights kept: epoch {best_epoch}")
    if part == "beta":
        ax.set_ylim(-0.05, max(1.0, history["train_beta"].max()) * 1.05)
    ax.set(title=_TITLES.get(part, part.replace("_", " ").capitalize()), xlabel="epoch")
