"""Workers of a dask cluster that share the work on a matrix on disk, each opening the file itself.

What is computed is cut into the same pieces as in one process, so that the result is the same.
"""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.pp.out_of_core import open_backed, path_of

if TYPE_CHECKING:
    from anndata import AnnData
    from distributed import Client

C = TypeVar("C")
T = TypeVar("T")
R = TypeVar("R")
Work = Callable[["AnnData", C, T], R]

PATIENCE = 10
"""Seconds to wait for a scheduler."""
ALIKE = ("tybalt-like", "numpy")
"""Packages whose versions decide the last digits."""


@contextmanager
def connected(address: str | None) -> Iterator[Client | None]:
    """A client of the dask scheduler at an address such as ``tcp://10.0.0.1:8786``; none without
    one.

    Raises
    ------
    RecipeError
        If dask is not installed, nobody answers there, there are no workers, or these have other
        versions of `ALIKE`.
    """
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise RecipeError(
            "a scheduler needs dask; install it with: pip install 'tybalt-like[dask]'"
        ) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError):
        raise RecipeError(
            f"no dask scheduler answers at {address}; start one with `dask scheduler`, and name "
            "the address that it prints, such as tcp://10.0.0.1:8786"
        ) from None
    with client:
        _check_workers(client, address)
        yield client


def _check_workers(client: Client, address: str) -> None:
    if not client.nthreads():
        raise RecipeError(
            f"the scheduler at {address} has no workers; start some with `dask worker {address}`"
        )
    for package in ALIKE:
        own = metadata.version(package)
        for worker, found in client.run(metadata.version, package, on_error="return").items():
            if found != own:
                has = f"{package} {found}" if isinstance(found, str) else f"no {package}"
                raise RecipeError(f"the worker {worker} has {has}, but this is {own}; install that")


class Cluster:
    """Workers, and the file that all of them open.

    Parameters
    ----------
    client
        Of dask.
    adata
        Whose matrix is on disk (`open_backed`).

    Attributes
    ----------
    n_threads
        Of all workers together.

    Raises
    ------
    DataError
        If the matrix is in memory.
    """

    def __init__(self, client: Client, adata: AnnData) -> None:
        path = path_of(adata)
        if path is None:
            raise DataError(
                "the workers of a cluster read the matrix themselves: give an h5ad or zarr whose X "
                "stays on disk (in Python: pp.open_backed)"
            )
        self.client, self.path = client, path.resolve()
        self.n_threads = sum(client.nthreads().values())

    def map(self, work: Work[C, T, R], common: C, items: Iterable[T]) -> Iterator[R]:
        """What ``work(adata, common, item)`` returns, item after item; a few are in flight.

        Parameters
        ----------
        common
            What every item needs, which is sent once.

        Raises
        ------
        DataError
            What a worker raised; or if workers were lost.
        """
        from distributed import CancelledError, KilledWorker

        file = self.path, self.path.stat().st_mtime_ns
        [shared] = self.client.scatter([common], hash=False)
        waiting: deque[Any] = deque()
        try:
            for item in items:
                waiting.append(self.client.submit(_on_worker, work, file, shared, item, pure=False))
                if len(waiting) > 2 * self.n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except (CancelledError, KilledWorker) as error:
            raise DataError(
                f"workers of the cluster were lost ({type(error).__name__}); give them more memory"
            ) from None


def _on_worker(work: Work[C, T, R], file: tuple[Path, int], common: C, item: T) -> R:
    return work(_opened(*file), common, item)


@lru_cache(maxsize=1)
def _opened(path: Path, stamp: int) -> AnnData:  # noqa: ARG001 - a file that changed is another one
    if not path.exists():
        raise DataError(f"the worker on {platform.node()} has no {path}; put it where all see it")
    return open_backed(path)
