"""Processes that share the work of this one, where there are cores for them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, Self, TypeVar

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
        self._pool: Any = None  # of loky, which needs no guarded main module and has no types

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
        """Work that a thread hands to the pool in its turn: until then it can be taken back, which
        what waits in the pool itself cannot."""
        if self._threads is None:
            from loky import ProcessPoolExecutor

            self._threads = ThreadPoolExecutor(self.n)
            limits = dict.fromkeys(LIMITS, "1")
            self._pool = ProcessPoolExecutor(self.n, initializer=_begun, env=limits)
        return self._threads.submit(self._elsewhere, work)

    def _elsewhere(self, work: Callable[[], T]) -> T:
        result: T = self._pool.submit(work).result()
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads is not None:
            self._pool.shutdown(kill_workers=True)
            self._threads.shutdown(cancel_futures=True)


def _begun() -> None:
    """In a helper: Ctrl-C is for the process that it belongs to, whose end is its own, also a
    sudden one; what libraries print there is for nobody."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


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
