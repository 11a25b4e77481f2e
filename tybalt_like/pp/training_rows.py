"""The training rows, in chunks of samples or in blocks of genes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pp.batches import offsets
from tybalt_like.pp.columns import Columns
from tybalt_like.pp.matrix import Floats, row_chunks
from tybalt_like.pp.transforms.base import GeneTransform, SampleTransform, Transform, applied

if TYPE_CHECKING:
    from anndata import AnnData

G = TypeVar("G", bound=GeneTransform)

PART = 1 << 20
"""Values that a per-gene statistic works on at once."""


def row_numbers(train: ArrayLike) -> NDArray[np.intp]:
    """Rising row numbers from a boolean mask or from row numbers.

    Raises
    ------
    DataError
        If there are fewer than two.
    """
    chosen = np.asarray(train)
    rows_n = np.flatnonzero(chosen) if chosen.dtype == bool else np.unique(chosen)
    if len(rows_n) < 2:
        raise DataError(f"{len(rows_n)} training sample(s), but at least 2 are needed")
    return rows_n.astype(np.intp)


@dataclass(frozen=True)
class TrainingRows:
    """Rows that are learned from, after some transforms, restricted to some genes.

    Iterating gives chunks of samples. `per_gene` gives statistics over all samples of a gene,
    exact whatever the size of the matrix: genes that do not fit into memory together are read in
    several passes.

    Attributes
    ----------
    columns
        Where the genes are that `steps` are applied to.
    batch_n
        Batch of each row, whose means are made equal before anything is computed per gene.
    gaps
        Whether values may be missing.
    limit
        Values to hold at once, at most, in single precision.
    chosen_g
        Numbers of the genes, within `columns`, that statistics are computed of.
    """

    adata: AnnData
    rows_n: NDArray[np.intp]
    columns: Columns
    batch_n: NDArray[np.intp] | None
    gaps: bool
    limit: int
    chosen_g: NDArray[np.intp]
    steps: tuple[Transform, ...] = ()

    def after(self, step: Transform) -> Self:
        """The same rows after one more transform."""
        return replace(self, steps=(*self.steps, step))

    def of_genes(self, chosen_g: NDArray[np.intp]) -> Self:
        """The same rows, some genes."""
        return replace(self, chosen_g=chosen_g)

    @property
    def whole(self) -> bool:
        """Whether the transforms need all genes of a row."""
        return any(isinstance(step, SampleTransform) for step in self.steps)

    def __iter__(self) -> Iterator[Floats]:
        return self._chunks(self.chosen_g)

    def _chunks(self, chosen_g: NDArray[np.intp]) -> Iterator[Floats]:
        columns, picked_g = self.columns, chosen_g
        if not self.whole:
            columns, picked_g = columns.some(chosen_g), np.arange(len(chosen_g))
        for x_nv in row_chunks(self.adata, self.rows_n):
            yield applied(self.steps, columns.read(x_nv), picked_g)

    def per_gene(self, statistic: Callable[[Floats], Floats]) -> Floats:
        """A statistic of each gene over all training samples, joined along the last axis."""
        return np.concatenate([statistic(x_np) for x_np in self._parts()], axis=-1)

    def batch_offsets(self) -> Floats:
        """What was subtracted to make the means of the batches equal, (batches, g)."""
        batch_n = self.batch_n
        assert batch_n is not None
        return replace(self, batch_n=None).per_gene(lambda x_np: offsets(x_np, batch_n))

    def fit(self, kind: type[G]) -> G:
        """A per-gene transform, fitted part by part."""
        return kind.join([kind.fit(x_np) for x_np in self._parts()])

    def _parts(self) -> Iterator[Floats]:
        """All rows of a few genes after the other."""
        n = len(self.rows_n)
        for block in np.array_split(self.chosen_g, -(-len(self.chosen_g) * n // self.limit)):
            x_nb = np.empty((n, len(block)), dtype=np.float32, order="F")
            start = 0
            for chunk in self._chunks(block):
                x_nb[start : start + len(chunk)] = chunk
                start += len(chunk)
            self._check(x_nb, block)
            step = max(1, PART // n)
            for first in range(0, len(block), step):
                x_np = x_nb[:, first : first + step].astype(np.float64)
                if self.batch_n is not None:
                    x_np -= offsets(x_np, self.batch_n)[self.batch_n]
                yield x_np

    def _check(self, x_nb: NDArray[np.float32], block: NDArray[np.intp]) -> None:
        """Refuse infinite values, and missing ones unless they are allowed."""
        bad_nb = np.isinf(x_nb) if self.gaps else ~np.isfinite(x_nb)
        if not bad_nb.any():
            return
        n, b = np.argwhere(bad_nb)[0]
        gene = self.adata.var_names[self.columns.column_g[block[b]]]
        what, how = "infinite", "mend it"
        if np.isnan(x_nb[n, b]):
            what, how = "missing", "set normalize.missing to 'drop_genes', 'median' or 'knn'"
        raise DataError(
            f"{int(bad_nb.sum()):,} {what} value(s), first in gene {gene}, sample "
            f"{self.adata.obs_names[self.rows_n[n]]}; {how}"
        )
