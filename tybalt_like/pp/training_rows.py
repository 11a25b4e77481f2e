"""The training rows, in chunks of samples or in blocks of genes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
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

    from tybalt_like.pp.cluster import Cluster

R = TypeVar("R")
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
    cluster
        Workers that share the genes; each thread of theirs holds `limit` values.
    """

    adata: AnnData
    rows_n: NDArray[np.intp]
    columns: Columns
    batch_n: NDArray[np.intp] | None
    gaps: bool
    limit: int
    chosen_g: NDArray[np.intp]
    steps: tuple[Transform, ...] = ()
    cluster: Cluster | None = None

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
        return np.concatenate(self._of_parts(statistic), axis=-1)

    def batch_offsets(self) -> Floats:
        """What was subtracted to make the means of the batches equal, (batches, g)."""
        batch_n = self.batch_n
        assert batch_n is not None
        return replace(self, batch_n=None).per_gene(lambda x_np: offsets(x_np, batch_n))

    def fit(self, kind: type[G]) -> G:
        """A per-gene transform, fitted part by part."""
        return kind.join(self._of_parts(kind.fit))

    def _of_parts(self, measure: Callable[[Floats], R]) -> list[R]:
        """What is measured of all rows of a few genes after the other."""
        g, n_blocks = len(self.chosen_g), -(-len(self.chosen_g) * len(self.rows_n) // self.limit)
        if self.cluster is None:
            blocks = np.array_split(self.chosen_g, n_blocks)
            found = [_of_block(self.adata, (self, measure), block) for block in blocks]
        else:
            n_blocks = max(n_blocks, min(self.cluster.n_threads, g // 2))
            blocks = np.array_split(self.chosen_g, n_blocks)
            common = replace(self, adata=None, cluster=None), measure
            found = list(self.cluster.map(_of_block, common, blocks))
        return list(chain.from_iterable(found))

    def parts(self, block: NDArray[np.intp]) -> Iterator[Floats]:
        """All rows of these genes, a few of them after the other; but of a lone gene never one
        alone, whose rows numpy may sum in another order."""
        n, b = len(self.rows_n), len(block)
        x_nb = np.empty((n, b), dtype=np.float32, order="F")
        start = 0
        for chunk in self._chunks(block):
            x_nb[start : start + len(chunk)] = chunk
            start += len(chunk)
        self._check(x_nb, block)
        firsts = [f for f in range(0, b, max(2, PART // n)) if b - f > 1 or f == 0]
        for first, last in zip(firsts, [*firsts[1:], b], strict=False):
            x_np = x_nb[:, first:last].astype(np.float64)
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


def _of_block(
    adata: AnnData,
    common: tuple[TrainingRows, Callable[[Floats], R]],
    block: NDArray[np.intp],
) -> list[R]:
    """What is measured of the parts of a block of genes."""
    rows, measure = common
    return [measure(x_np) for x_np in replace(rows, adata=adata).parts(block)]
