"""One line per stage, and a bar while training if someone is watching."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as bars
from rich.console import Console

from tybalt_like.models import Training


class Progress:
    """Tells on standard error what a run is doing.

    Attributes
    ----------
    seconds
        Wall time of every finished stage.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.seconds: dict[str, float] = {}
        self._bar: bars.Progress | None = None

    def say(self, text: str) -> None:
        """One line, indented under its stage."""
        self.console.print(f"  {text}", markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name and time a part of the work."""
        self.console.print(f"[bold]{name}[/bold]")
        start = time.perf_counter()
        columns = (
            bars.TextColumn("  {task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
        )
        with bars.Progress(
            *columns,
            bars.TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        ) as self._bar:
            yield
        self._bar = None
        self.seconds[name] = round(time.perf_counter() - start, 3)

    def epoch(self, row: dict[str, float], training: Training) -> None:
        """Move the bar on by one epoch."""
        if self._bar is None:
            return
        if not self._bar.tasks:
            self._bar.add_task("epochs", total=training.epochs)
        done = int(row["epoch"]) + 1
        self._bar.update(self._bar.tasks[0].id, completed=done, description=_losses(row))

    def fold(self, done: int, of: int) -> None:
        """Move the bar on by one fold."""
        if self._bar is None:
            return
        if not self._bar.tasks:
            self._bar.add_task("folds", total=of)
        self._bar.update(self._bar.tasks[0].id, completed=done, total=of, description="folds")


def _losses(row: dict[str, float]) -> str:
    """The loss of an epoch in words; of models with several optimisers, of each of them."""
    loss = row.get("val_loss", row.get("train_loss"))
    if loss is not None:
        return f"loss {loss:,.1f}"
    found = {re.fullmatch("train_(.+)_loss", name): value for name, value in row.items()}
    of_steps = {match[1]: value for match, value in found.items() if match}
    return "loss " + ", ".join(f"{step} {value:,.2f}" for step, value in of_steps.items())
