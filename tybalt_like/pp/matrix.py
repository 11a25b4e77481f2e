"""Reading a matrix by rows, whatever holds it: dense or sparse, in memory or on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anndata import AnnData

Floats = NDArray[np.float64]
CHUNK = 1 << 21
"""Values made dense at once: 16 MB in double precision."""
SLAB = 1 << 25
"""Values read at once, at most, where a file is compressed in blocks of many rows."""
BLOCK = 1 << 18
"""Values that are read at once, at least, where rows are drawn at random: 1 MB."""


def row_chunks(adata: AnnData, rows_n: NDArray[np.intp] | None = None) -> Iterator[Floats]:
    """Rows in rising order, some at a time, with all columns; each chunk is the caller's own.

    Parameters
    ----------
    rows_n
        Rising row numbers; all rows if None.
    """
    rows_n = np.arange(adata.n_obs) if rows_n is None else rows_n
    size = max(2, CHUNK // adata.n_vars)
    matrix = adata.X
    if in_memory(matrix):
        slab, spans = matrix.tocsr() if hasattr(matrix, "tocsr") else matrix, [(0, adata.n_obs)]
    else:
        slab, spans = None, slabs(adata)
    for start, stop in spans:
        low, high = np.searchsorted(rows_n, [start, stop])
        if low == high:
            continue
        part = matrix[start:stop] if slab is None else slab
        firsts = [f for f in range(low, high, size) if high - f > 1 or f == low]  # no lone row
        for first, last in zip(firsts, [*firsts[1:], high], strict=False):
            yield _dense(part[rows_n[first:last] - start])


def spread_out(n_obs: int, n_vars: int) -> NDArray[np.intp]:
    """Numbers of evenly spaced rows, at most a chunk of them."""
    n = min(n_obs, max(1, CHUNK // n_vars))
    return np.linspace(0, n_obs - 1, n).round().astype(np.intp)


def spread_rows(
    adata: AnnData,
    rows_n: NDArray[np.intp] | None = None,
    *,
    span: tuple[int, int] | None = None,
) -> Floats:
    """Evenly spaced rows, at most a chunk of them; those that lie in a span."""
    rows_n = np.arange(adata.n_obs) if rows_n is None else rows_n
    rows_n = rows_n[spread_out(len(rows_n), adata.n_vars)]
    if span is not None:
        rows_n = rows_n[(span[0] <= rows_n) & (rows_n < span[1])]
    return _dense(adata.X[rows_n])


def in_memory(matrix: Any) -> bool:
    """Whether the values are held in memory, dense or sparse."""
    from scipy import sparse

    return isinstance(matrix, np.ndarray) or sparse.issparse(matrix)


def slabs(adata: AnnData) -> list[tuple[int, int]]:
    """First row, and the one after the last, of the pieces that a matrix on disk is read in.

    These are whole compressed blocks, so that none is decompressed twice.
    """
    block = (getattr(adata.X, "chunks", None) or (1,))[0]
    n_rows = max(1, CHUNK // adata.n_vars)
    n_rows = min(-(-n_rows // block) * block, max(1, SLAB // adata.n_vars))
    return [(i, min(i + n_rows, adata.n_obs)) for i in range(0, adata.n_obs, n_rows)]


def _dense(part: Any) -> Floats:
    """Some rows of any matrix as a C-ordered double array."""
    values = part.toarray() if hasattr(part, "toarray") else part
    return np.array(values, dtype=np.float64, order="C")


def block_of(matrix: Any) -> int:
    """Rows to be read together: `BLOCK` values, or one of the file's compressed blocks if these
    are larger, up to an eighth of a `SLAB`."""
    n_vars = int(matrix.shape[1])
    return max(1, BLOCK // n_vars, min(_stored_together(matrix), SLAB // 8 // n_vars))


def _stored_together(matrix: Any) -> int:
    """Rows of one of the file's compressed blocks; 1 where there are none."""
    stored = (getattr(matrix, "chunks", None) or (1,))[0]
    return int(stored[0] if isinstance(stored, tuple) else stored)  # dask names every chunk


def read_rows(matrix: Any, rows_n: NDArray[np.intp]) -> NDArray[np.float32]:
    """Rows in rising order, from memory or disk, in single precision.

    Neighbours are read at once, and what is between near ones with them: a file is opened up
    slowly, and read quickly. At once are at most an eighth of a `SLAB`, cut between the file's
    compressed blocks, or one such block.
    """
    n_vars = int(matrix.shape[1])
    x_ng = np.empty((len(rows_n), n_vars), dtype=np.float32)
    block = _stored_together(matrix)
    window = max(1, SLAB // 8 // n_vars // block) * block
    far = (np.diff(rows_n) > max(1, BLOCK // n_vars)) | (np.diff(rows_n // window) > 0)
    cuts = np.flatnonzero(far) + 1
    for first, last in zip([0, *cuts], [*cuts, len(rows_n)], strict=True):
        if first == last:
            continue
        start, stop = int(rows_n[first]), int(rows_n[last - 1]) + 1
        span = matrix[start:stop]
        span = span.compute() if hasattr(span, "compute") else span
        span = span.toarray() if hasattr(span, "toarray") else span
        x_ng[first:last] = span if len(span) == last - first else span[rows_n[first:last] - start]
    return x_ng
