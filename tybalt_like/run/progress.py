"""One line per stage, and a bar while training if someone is watching."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from tybalt_like.core.bar import Bar
from tybalt_like.models import Training
from tybalt_like.models.history import losses

SELDOM = 60.0
"""Seconds between two lines on how far a training is, where no bar can be shown."""


class Progress:
    """Tells on standard error what a run is doing.

    Attributes
    ----------
    seconds
        Wall time of every finished stage.
    steps
        How many stages there will be; 0 if nobody has said so.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.seconds: dict[str, float] = {}
        self.steps = 0
        self._begun = 0
        self._bar: Bar | None = None
        self._told = 0.0

    def say(self, text: str) -> None:
        """One line, indented under its stage."""
        self.console.print(f"  {text}", markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name and time a part of the work."""
        self._begun += 1
        step = f"step {self._begun} of {self.steps}: " if self.steps else ""
        self.console.print(f"{step}[bold]{name}[/bold]")
        start = self._told = time.perf_counter()
        with Bar(self.console) as self._bar:
            yield
        self._bar = None
        self.seconds[name] = round(time.perf_counter() - start, 3)

    def epoch(self, row: dict[str, float], training: Training) -> None:
        """Move the bar on by one epoch."""
        early = training.patience is not None
        self._move("epoch", int(row["epoch"]) + 1, training.epochs, said=losses(row), early=early)

    def done(self, n: int, of: int, said: str) -> None:
        """One line on the last of several trainings, and how long the others will take."""
        left = "" if self._bar is None else self._bar.move(n, of, said="trainings")
        self.say(", ".join([f"{n} of {of}: {said}", *filter(None, [left])]))

    def fold(self, done: int, of: int) -> None:
        """Move the bar on by one fold."""
        self._move("fold", done, of, said="folds")

    def samples(self, done: int, of: int) -> None:
        """Move the bar on by some samples."""
        self._move("sample", done, of, said="samples")

    def _move(self, what: str, done: int, of: int, *, said: str, early: bool = False) -> None:
        if self._bar is None:
            return
        left = self._bar.move(done, of, said=said, early=early)
        watched = self.console.is_terminal or self.console.quiet
        if watched or time.perf_counter() - self._told < SELDOM:
            return
        self._told = time.perf_counter()
        self.say(", ".join([f"{what} {done} of {of}", *filter(None, [left])]))
