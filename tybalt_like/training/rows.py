"""The samples that a model learns from, wherever they are held."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tybalt_like.core import distributed

Tensors = Mapping[str, Tensor]
WINDOW = 1 << 24
"""Values read from disk at once, 64 MB; two windows are in memory, one of them being filled."""
SOLVED = 1 << 25
"""Values that `Model.solve` is given, at most, of samples that stay on disk."""


class Rows(ABC):
    """Numbered samples with all that a model takes of them, by the names of `Batch.tensors`."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def shuffled(self, batch_size: int) -> Tensor:
        """The number of every row in a random order, of which mini-batches are pieces; with
        ``weight_n``, rows are drawn in proportion to it, with replacement."""

    @abstractmethod
    def batches(self, numbers: Sequence[Tensor]) -> Iterator[Tensors]:
        """Mini-batches, each this process's share of it (`distributed.mine`)."""

    @abstractmethod
    def parts(self) -> Iterator[Tensors]:
        """All rows in their order, as many at a time as there is room for."""

    @abstractmethod
    def some(self) -> Tensors:
        """All rows or, where there is no room for them, random ones."""


class Resident(Rows):
    """Rows in memory.

    Parameters
    ----------
    tensors
        With as many rows each.
    """

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors["x_ng"])

    def shuffled(self, batch_size: int) -> Tensor:  # noqa: ARG002
        weight_n = self.tensors.get("weight_n")
        if weight_n is not None:
            order = torch.multinomial(weight_n.cpu(), len(self), replacement=True)
        else:
            order = torch.randperm(len(self))
        return order.to(self.tensors["x_ng"].device)

    def batches(self, numbers: Sequence[Tensor]) -> Iterator[Tensors]:
        for rows in numbers:
            yield _at(distributed.mine(rows), self.tensors)

    def parts(self) -> Iterator[Tensors]:
        yield self.tensors

    def some(self) -> Tensors:
        return self.tensors


class Stored(Rows):
    """Rows of a matrix on disk; what is read ahead is all that is held.

    Blocks of neighbouring rows are put into a random order, and the rows of a window of several
    blocks shuffled: a file is read in long pieces, and a mini-batch still mixes rows of all places
    that its window was filled from. Rows that are alike and stand together (a sorted file) should
    be dispersed beforehand if there are many more of them than the window holds.

    Parameters
    ----------
    read
        Gives rows of the matrix, whose numbers rise.
    rows_n
        The numbers in the matrix of the rows that are meant, rising.
    block
        Rows of the matrix that are read together.
    known
        What else is known of the rows.
    device
        Where batches go.
    """

    def __init__(
        self,
        read: Callable[[NDArray[np.intp]], NDArray[np.float32]],
        rows_n: NDArray[np.intp],
        *,
        n_vars: int,
        block: int,
        known: Tensors | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.read, self.rows_n, self.block = read, rows_n, block
        self.n_vars, self.known, self.device = n_vars, known or {}, device

    def __len__(self) -> int:
        return len(self.rows_n)

    def shuffled(self, batch_size: int) -> Tensor:
        weight_n = self.known.get("weight_n")
        if weight_n is not None:
            return torch.multinomial(weight_n.cpu(), len(self), replacement=True)
        block_n = torch.from_numpy(self.rows_n // self.block)
        place_b = torch.randperm(int(block_n[-1]) + 1)
        order = place_b[block_n].argsort(stable=True)
        windows = order.split(self._batches(batch_size) * batch_size)
        return torch.cat([window[torch.randperm(len(window))] for window in windows])

    def batches(self, numbers: Sequence[Tensor]) -> Iterator[Tensors]:
        at_once = self._batches(len(numbers[0]))
        return self._ahead([distributed.mine(rows) for rows in numbers], at_once)

    def parts(self) -> Iterator[Tensors]:
        return self._ahead(torch.arange(len(self)).split(self._batches(1)), 1)

    def some(self) -> Tensors:
        most = max(1, SOLVED // self.n_vars)
        rows = torch.arange(len(self))
        if len(rows) > most:
            rows = torch.randperm(len(rows))[:most].sort().values
        return next(self._ahead([rows], 1))

    def _batches(self, batch_size: int) -> int:
        """Of that size in a window."""
        return max(1, WINDOW // (self.n_vars * batch_size))

    def _ahead(self, numbers: Sequence[Tensor], at_once: int) -> Iterator[Tensors]:
        """Rows of these numbers, a window of so many pieces being read while the last one is in
        use."""
        windows = [numbers[i : i + at_once] for i in range(0, len(numbers), at_once)]
        with ThreadPoolExecutor(1) as thread:
            coming = thread.submit(self._window, windows[0])
            for i, window in enumerate(windows):
                x_wg, places = coming.result()
                if i + 1 < len(windows):
                    coming = thread.submit(self._window, windows[i + 1])
                for rows, place in zip(window, places, strict=True):
                    tensors = {"x_ng": x_wg.index_select(0, place).to(self.device)}
                    yield tensors | _at(rows.to(self.device), self.known)

    def _window(self, numbers: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """The rows that are needed, each read once, and the places of all pieces among them."""
        needed, place = torch.unique(torch.cat(list(numbers)), return_inverse=True)
        x_wg = torch.from_numpy(self.read(self.rows_n[needed.numpy()]))
        return x_wg, place.split([len(rows) for rows in numbers])


def rows_of(given: Rows | Tensors) -> Rows:
    """Tensors as rows."""
    return given if isinstance(given, Rows) else Resident(given)


def _at(rows: Tensor, tensors: Tensors) -> dict[str, Tensor]:
    return {name: values.index_select(0, rows) for name, values in tensors.items()}
