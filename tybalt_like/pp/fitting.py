"""The training rows, in chunks of samples or in blocks of genes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like.errors import DataError
from tybalt_like.pp.base import GeneTransform, SampleTransform, Transform
from tybalt_like.pp.matrix import Floats, row_chunks

if TYPE_CHECKING:
    from anndata import AnnData

G = TypeVar("G", bound=GeneTransform)

BLOCK = 1 << 28
"""Values of a block of genes held at once: 1 GB in single precision."""
PART = 1 << 22
"""Values that a per-gene statistic works on at once."""


@dataclass(frozen=True)
class TrainingRows:
    """Rows of `adata` that are learned from, after some transforms, restricted to some genes.

    Iterating gives chunks of samples. `per_gene` gives statistics over all samples of a gene,
    exact whatever the size of the matrix: genes that do not fit into memory together are read in
    several passes.
    """

    adata: AnnData
    rows_n: NDArray[np.intp]
    columns_g: NDArray[np.intp]
    steps: tuple[Transform, ...] = ()

    @classmethod
    def of(cls, adata: AnnData, train: ArrayLike) -> Self:
        """The rows of a mask or of row numbers."""
        chosen = np.asarray(train)
        rows_n = np.flatnonzero(chosen) if chosen.dtype == bool else np.unique(chosen)
        if len(rows_n) < 2:
            raise DataError(f"{len(rows_n)} training sample(s), but at least 2 are needed")
        return cls(adata, rows_n.astype(np.intp), np.arange(adata.n_vars))

    def after(self, step: Transform) -> Self:
        """The same rows after one more transform."""
        return replace(self, steps=(*self.steps, step))

    def of_genes(self, columns_g: NDArray[np.intp]) -> Self:
        """The same rows, some genes."""
        return replace(self, columns_g=columns_g)

    def __iter__(self) -> Iterator[Floats]:
        return self._chunks(self.columns_g)

    def _chunks(self, columns_g: NDArray[np.intp]) -> Iterator[Floats]:
        whole = any(isinstance(step, SampleTransform) for step in self.steps)
        for x_ng in row_chunks(self.adata, self.rows_n):
            part = x_ng if whole else x_ng[:, columns_g]
            for step in self.steps:
                part = step.transform(part)
            yield part[:, columns_g] if whole else part

    def per_gene(self, statistic: Callable[[Floats], Floats]) -> Floats:
        """A statistic of each gene over all training samples, joined along the last axis."""
        return np.concatenate([statistic(x_np) for x_np in self._parts()], axis=-1)

    def fit(self, kind: type[G]) -> G:
        """A per-gene transform, fitted part by part."""
        return kind.join([kind.fit(x_np) for x_np in self._parts()])

    def _parts(self) -> Iterator[Floats]:
        """All rows of a few genes after the other."""
        n = len(self.rows_n)
        for block in np.array_split(self.columns_g, -(-len(self.columns_g) * n // BLOCK)):
            x_nb = np.empty((n, len(block)), dtype=np.float32, order="F")
            start = 0
            for chunk in self._chunks(block):
                x_nb[start : start + len(chunk)] = chunk
                start += len(chunk)
            self._refuse_gaps(x_nb, block)
            step = max(1, PART // n)
            for first in range(0, len(block), step):
                yield x_nb[:, first : first + step].astype(np.float64)

    def _refuse_gaps(self, x_nb: NDArray[np.float32], block: NDArray[np.intp]) -> None:
        gaps = np.argwhere(~np.isfinite(x_nb))
        if len(gaps):
            n, g = gaps[0]
            raise DataError(
                f"{len(gaps):,} missing or infinite value(s), first in gene "
                f"{self.adata.var_names[block[g]]}, sample {self.adata.obs_names[self.rows_n[n]]}; "
                "remove the gene or fill in the value"
            )
