"""Reading a matrix by rows, whatever holds it: dense or sparse, in memory or on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anndata import AnnData

Floats = NDArray[np.float64]
CHUNK = 1 << 23
"""Values made dense at once: 64 MB in double precision."""


def dense(part: Any) -> Floats:
    """Rows of any matrix as a C-ordered double array."""
    values = part.toarray() if hasattr(part, "toarray") else part
    return np.ascontiguousarray(values, dtype=np.float64)


def row_chunks(adata: AnnData, rows_n: NDArray[np.intp] | None = None) -> Iterator[Floats]:
    """Rows in ascending order, some at a time, with all columns.

    Parameters
    ----------
    rows_n
        Ascending row numbers; all rows if None.
    """
    n_obs, n_vars = adata.shape
    size = max(1, CHUNK // max(1, n_vars))
    for start in range(0, n_obs, size):
        stop = min(start + size, n_obs)
        if rows_n is None:
            yield dense(adata.X[start:stop])
        elif len(wanted := rows_n[(rows_n >= start) & (rows_n < stop)]):
            yield dense(adata.X[start:stop])[wanted - start]


def spread_rows(adata: AnnData, rows_n: NDArray[np.intp] | None = None) -> Floats:
    """Evenly spaced rows, at most one chunk of them."""
    rows_n = np.arange(adata.n_obs) if rows_n is None else rows_n
    n = min(len(rows_n), max(1, CHUNK // (2 * max(1, adata.n_vars))))
    chosen = rows_n[np.linspace(0, len(rows_n) - 1, n).round().astype(np.intp)]
    return np.concatenate([dense(adata.X[int(i) : int(i) + 1]) for i in chosen])
