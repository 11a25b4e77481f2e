"""HDF5 files that nobody vouches for: looked through by another process before they are opened.

The HDF5 library trusts what a file says of itself. Damage can make it crash or never return, and a
file may name others that are then read. `io.walker` finds out in a process of its own, which costs
a third of a second once and milliseconds a file.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from tybalt_like.core.errors import DataError
from tybalt_like.core.memory import available
from tybalt_like.io import walker

PATIENCE, BYTES_PER_SECOND = 60.0, 10_000_000
"""Seconds to wait for an answer, and more for large files on slow disks."""
SHARE = 8
"""A chunk may decompress to 1 / 8 of the free memory."""


@dataclass(frozen=True)
class Hdf5:
    """What is known of a file that may be opened.

    Attributes
    ----------
    keys
        Names at its top.
    n_bytes
        Size of all its data in memory.
    """

    name: str
    keys: frozenset[str]
    n_bytes: int

    def check_fits(self) -> None:
        """Refuse a file that is about to be read whole and is larger than the free memory.

        Raises
        ------
        DataError
            Says how large it is.
        """
        free = available()
        if self.n_bytes > free:
            raise DataError(
                f"{self.name}: its data take {self.n_bytes / 2**30:,.1f} GB of memory, of which "
                f"{free / 2**30:,.1f} GB are free; take a part of the samples, more memory, "
                "or leave the matrix on disk (data.in_memory in a recipe, pp.open_backed)"
            )


def walked(path: Path, *, name: str) -> Hdf5:
    """Look through a file without opening it here.

    Parameters
    ----------
    name
        What it is called in messages.

    Raises
    ------
    DataError
        If it is damaged in a way that would end this process or keep it for ever, promises data
        that it does not hold, or leads to other files.
    """
    answer = _WALKER.ask(path)
    if "keys" in answer:
        return Hdf5(name, frozenset(answer["keys"]), answer["total"])
    if "refused" in answer:
        raise DataError(f"{name}: {answer['refused']}")
    if "error" in answer:
        raise DataError(f"{name}: cannot be opened as HDF5 ({answer['error']})")
    ends = "looking through it does not end" if answer["died"] in _LATE else "HDF5 crashes on it"
    raise DataError(f"{name}: this HDF5 file is damaged ({ends}); copy it again")


_LATE = {signal.SIGKILL, getattr(signal, "SIGXCPU", signal.SIGKILL)}


class _Walker:
    """The other process, begun with the first file; processes forked off begin their own."""

    def __init__(self) -> None:
        self._lock, self._owner = Lock(), 0
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, path: Path) -> dict[str, Any]:
        """Its answer, or how it ended."""
        question = {"path": str(path.resolve()), "largest": available() // SHARE}
        patience = PATIENCE + path.stat().st_size / BYTES_PER_SECOND
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            late = Timer(patience, _kill, [process])
            late.start()
            try:
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
                return dict(json.loads(process.stdout.readline()))
            except (BrokenPipeError, ValueError):  # it was ended, in the middle of a line perhaps
                self.end()
                return {"error": "the process that looks through it gave no answer"}
            finally:
                late.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._owner == os.getpid():
            return self._process
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", walker.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self._owner = os.getpid()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(sys.path).encode() + b"\n")
        return self._process

    def end(self) -> None:
        """End the process; the next file begins another."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            _kill(process)
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With its forks, where there are any."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


_WALKER = _Walker()
atexit.register(_WALKER.end)
