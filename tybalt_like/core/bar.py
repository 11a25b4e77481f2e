"""A bar that moves while something is trained, in terminals and notebooks."""

from __future__ import annotations

import sys
import time
from html import escape
from importlib import import_module
from multiprocessing import current_process
from types import TracebackType
from typing import Any, Self

from rich import progress as bars
from rich.console import Console

from tybalt_like.core import distributed

OFTEN = 0.1
"""Seconds between two pictures of a bar in a notebook."""


class Bar:
    """How far a training is, and how long it will take at the rate measured so far.

    Nothing is shown where there is neither a terminal nor a notebook, or in a process beside the
    main one.

    Parameters
    ----------
    console
        Standard error if None.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._start = self._last = (0.0, 0)
        self._of = 0
        self._shown: _InTerminal | _InNotebook | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown is not None:
            self._shown.end()
            self._shown = None

    def move(self, done: int, of: int, *, said: str, early: bool = False) -> str:
        """Show that so many are done.

        Parameters
        ----------
        said
            How it goes.
        early
            Whether it may end before.

        Returns
        -------
        str
            The time left in words; empty until a rate is measured, and at the end.
        """
        now = time.monotonic()
        if of != self._of or done <= self._last[1] or self._last[1] == 0:  # something else begins
            self._start = now, done
        self._last, self._of = (now, done), of
        steps = done - self._start[1]
        seconds = (of - done) * (now - self._start[0]) / steps if steps else 0.0
        left = f"{'at most ' * early}{duration(seconds)} left" if steps and done < of else ""
        if self._shown is None:
            self._shown = self._place()
        if self._shown is not None:
            self._shown.show(done, of, said=said, left=left)
        return left

    def _place(self) -> _InTerminal | _InNotebook | None:
        main = distributed.is_main() and current_process().name == "MainProcess"
        if self.console.quiet or not main:
            return None
        if in_notebook():
            return _InNotebook()
        return _InTerminal(self.console) if self.console.is_terminal else None


class _InTerminal:
    """A line that is gone when the work is done."""

    def __init__(self, console: Console) -> None:
        self._bar = bars.Progress(
            bars.TextColumn("  {task.description}", markup=False),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[left]}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", left="")
        self._bar.start()

    def show(self, done: int, of: int, *, said: str, left: str) -> None:
        self._bar.update(self._task, completed=done, total=of, description=said, left=left)

    def end(self) -> None:
        self._bar.stop()


class _InNotebook:
    """An element of the page, which every front end of Jupyter shows without further packages."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn = 0.0
        self._last = 0, 0, ""

    def show(self, done: int, of: int, *, said: str, left: str) -> None:
        self._last = done, of, said
        if time.monotonic() - self._drawn >= OFTEN:
            self._drawn = time.monotonic()
            self._draw(left)

    def _draw(self, left: str = "") -> None:
        done, of, said = self._last
        text = ", ".join(filter(None, [f"{done} of {of}", said, left]))
        element = f'<progress style="width: 40ex" max="{of}" value="{done}"></progress>'
        shown = {"text/html": f"{element} {escape(text)}", "text/plain": text}
        if self._handle is None:
            display = import_module("IPython.display").display
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def end(self) -> None:
        self._draw()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    found = sys.modules.get("IPython")
    shell = None if found is None else found.get_ipython()
    return getattr(shell, "kernel", None) is not None


def duration(seconds: float) -> str:
    """``12 s``, ``3 min``, ``2 h 5 min``: as precise as a forecast is."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
