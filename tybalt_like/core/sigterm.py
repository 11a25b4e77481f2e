"""SIGTERM, by which schedulers end what has used up its time: first everything is put in order."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_postponed, _asked = 0, False
SOON = 0.05
"""Seconds after which a signal that Python has lost is sent again."""


class Terminated(SystemExit):
    """A process was asked to end; the exit code is that of a process that SIGTERM has ended."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


@contextmanager
def heeded() -> Iterator[None]:
    """SIGTERM raises `Terminated`: at once or, within `postponed`, where that lets it.

    Python ignores what is raised while it cleans up (weak references, ``__del__``): SIGTERM and
    Ctrl-C that come just then are sent again.
    """
    global _asked
    of_main = threading.current_thread() is threading.main_thread()
    if not of_main or signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        yield
        return
    before, _asked = signal.signal(signal.SIGTERM, _on_signal), False
    ignored, sent = sys.unraisablehook, list[threading.Timer]()

    def send_again(what: UnraisableHookArgs) -> None:
        number = {Terminated: signal.SIGTERM, KeyboardInterrupt: signal.SIGINT}.get(what.exc_type)
        if number is None:
            ignored(what)
            return
        sent.append(threading.Timer(SOON, os.kill, (os.getpid(), number)))
        sent[-1].daemon = True
        sent[-1].start()

    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = ignored
        for timer in sent:  # what is finished needs no ending
            timer.cancel()
        signal.signal(signal.SIGTERM, before)


@contextmanager
def postponed() -> Iterator[None]:
    """What must not be cut in two, or is to be asked whether to end (`is_asked`); a second SIGTERM
    does not wait.

    Raises
    ------
    Terminated
        At the end of the block, if it was asked for.
    """
    global _postponed  # noqa: PLW0603
    _postponed += 1
    try:
        yield
    finally:
        _postponed -= 1
    if _asked and not _postponed:
        raise Terminated


def is_asked() -> bool:
    """Whether this process is to end as soon as it may."""
    return _asked


def _on_signal(_: int, __: FrameType | None) -> None:
    global _asked  # noqa: PLW0603
    if not _postponed or _asked:
        raise Terminated
    _asked = True
