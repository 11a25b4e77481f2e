"""Samples that are one measurement under several names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tybalt_like.core import keys
from tybalt_like.core.provenance import recorded
from tybalt_like.pp.matrix import Floats, row_chunks

if TYPE_CHECKING:
    from anndata import AnnData

SAME = 1e-5
"""Rounding a copy to two decimals leaves a correlation this little below 1; technical replicates
differ a hundred times as much."""
DIMENSIONS, FIRST = 32, 6
"""Numbers that stand for a profile, and those of them that are compared first."""
MAX_GENES = 5000
"""Evenly spaced genes that they are made of."""


class Sketches:
    """Few numbers for each profile that keep how far any two are apart (Johnson & Lindenstrauss
    1984), so that many profiles can be compared after they were seen once.

    Parameters
    ----------
    n_genes
        Columns of the matrix.
    """

    def __init__(self, n_genes: int) -> None:
        n = min(n_genes, MAX_GENES)
        self._genes = np.linspace(0, n_genes - 1, n).round().astype(np.intp)
        rng = np.random.default_rng(0)
        self._projection = rng.normal(size=(n, DIMENSIONS)) / np.sqrt(DIMENSIONS)
        self._parts: list[Floats] = []

    def add(self, x_ng: Floats) -> None:
        """Further rows of the matrix, on any scale."""
        x_ng = np.where(np.isfinite(x_ng), x_ng, 0)[:, self._genes]
        # On the logarithmic scale no few genes make all samples alike.
        y_ng = np.sign(x_ng) * np.log1p(np.abs(x_ng))
        y_ng -= y_ng.mean(1, keepdims=True)
        length_n = np.linalg.norm(y_ng, axis=1)
        varies_n = length_n > 1e-9
        y_ng /= np.where(varies_n, length_n, 1)[:, None]
        sketch_nk = y_ng @ self._projection
        sketch_nk[~varies_n] = np.nan
        self._parts.append(sketch_nk)

    @property
    def sketch_nk(self) -> Floats:
        """Of all rows; NaN where all genes have one value."""
        return np.concatenate(self._parts)

    def same(self) -> list[Sequence[int]]:
        """See `alike`."""
        return alike(self.sketch_nk)


def alike(sketch_nk: Floats) -> list[Sequence[int]]:
    """Rows of samples whose profiles have a correlation of 1 but for rounding, by sample; samples
    without a second are left out."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    rows = np.flatnonzero(~np.isnan(sketch_nk[:, 0]))
    # A tree of few dimensions is fast, and leaves few pairs to be looked at.
    radius, few = np.sqrt(2 * SAME), sketch_nk[rows, :FIRST]
    pairs = KDTree(few).query_pairs(radius, output_type="ndarray")
    apart_p = np.linalg.norm(np.subtract(*sketch_nk[rows[pairs.T]]), axis=1)
    pairs = pairs[apart_p <= radius]
    if not len(pairs):
        return []
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(rows), len(rows)))
    part_n = connected_components(graph, directed=False)[1]
    sizes = np.bincount(part_n)
    return [rows[part_n == part].tolist() for part in np.flatnonzero(sizes > 1)]


def same_samples(adata: AnnData) -> list[list[str]]:
    """Names of samples that are one measurement, together; what is recorded is believed."""
    known = recorded(adata).get(keys.SAME)
    if known is not None:
        return [list(names) for names in known]
    sketches = Sketches(adata.n_vars)
    for x_ng in row_chunks(adata):
        sketches.add(x_ng)
    names = adata.obs_names.astype(str)
    return [list(names[rows]) for rows in sketches.same()]


def same_profiles(x_ng: Floats) -> list[Sequence[int]]:
    """Rows that are one measurement, by sample; see `Sketches.same`."""
    sketches = Sketches(x_ng.shape[1])
    sketches.add(x_ng)
    return sketches.same()
