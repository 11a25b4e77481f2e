"""Processes that share the work of this one, where there are cores for them.

Not those of loky, which restarts one, with a warning to the user, whenever its memory has grown by
300 MB, as that of a map does; nor multiprocessing's, whose children run an unguarded script again.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import local
from typing import IO, Self, TypeVar

T = TypeVar("T")
MOST = 3
"""Helpers: each costs some seconds to start, and memory."""
LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Variables by which libraries know how many threads they may have."""


class Helpers:
    """Other processes that take pieces of work, begun with the first piece.

    A piece is done by one thread, by whoever comes to it first, a helper or, when the result is
    asked for, this process: nobody waits for work that nobody has begun, and results do not depend
    on who did it. Without helpers, each piece is done when it is asked for.

    Parameters
    ----------
    n
        Processes beside this one.
    """

    def __init__(self, n: int = 0) -> None:
        self.n = n
        self._threads: ThreadPoolExecutor | None = None
        self._mine, self._processes = local(), list[subprocess.Popen[bytes]]()

    @classmethod
    def of_threads(cls) -> Self:
        """As many as there are threads to spare."""
        import torch

        return cls(min(torch.get_num_threads() - 1, MOST))

    def begin(self, work: Callable[[], T]) -> Callable[[], T]:
        """Have a piece of work done: a function of a module, or a `partial` of one, with arguments
        that can be sent to another process.

        Returns
        -------
        Callable
            Gives the result, or raises what went wrong; to be called once.
        """
        future = self._submitted(work) if self.n else None

        def result() -> T:
            if future is not None and not future.cancel():
                with suppress(BrokenExecutor):  # the helper ended; for want of memory, perhaps
                    return future.result()
            with one_thread():
                return work()

        return result

    def share(
        self, works: Sequence[Callable[[], T]], *, on_done: Callable[[int, int], None] | None = None
    ) -> list[T]:
        """The results of several pieces: helpers begin with the last, this process with the first.

        `on_done` is called with the number of results that are there, and of all.
        """
        begun = [self.begin(work) for work in reversed(works)]
        results = list[T]()
        for result in reversed(begun):
            results.append(result())
            if on_done is not None:
                on_done(len(results), len(works))
        return results

    def _submitted(self, work: Callable[[], T]) -> Future[T]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.n)
        return self._threads.submit(self._elsewhere, work)

    def _elsewhere(self, work: Callable[[], T]) -> T:
        """By the process that belongs to this thread."""
        try:
            if not hasattr(self._mine, "process"):
                self._mine.process = _started()
                self._processes.append(self._mine.process)
            _send(work, self._mine.process.stdin)
            is_done, found = pickle.load(self._mine.process.stdout)
        except (OSError, EOFError, AttributeError, pickle.PickleError, TypeError) as error:
            raise BrokenExecutor(f"a helper gave no answer: {error}") from error
        if not is_done:
            raise found
        result: T = found
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.communicate()


def _started() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-I", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | dict.fromkeys(LIMITS, "1"),
        start_new_session=True,  # Ctrl-C is for this process, which then ends them
    )
    _send(sys.path, process.stdin)
    return process


def _send(thing: object, to: IO[bytes] | None) -> None:
    assert to is not None
    pickle.dump(thing, to, protocol=pickle.HIGHEST_PROTOCOL)
    to.flush()


def serve() -> None:
    """What a helper does: one piece of work after the other, until there are no more."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # what libraries print is no answer
        os.dup2(nowhere, stream)
    sys.path[:] = pickle.load(asked)
    with suppress(EOFError):
        while True:
            work = pickle.load(asked)
            try:
                answer = True, work()
            except Exception as error:  # whatever it is, it is raised by who asks
                answer = False, error
            _send(answer, answers)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for arrays and tensors: of small ones, threads that wait for each other cost many
    times what they bring, above all where other programs use the processor too."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    serve()
