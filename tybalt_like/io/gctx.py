"""GCTX: the matrices of the Connectivity Map in HDF5, with what is known of rows and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Format
from tybalt_like.io.gct import blank, known
from tybalt_like.io.grid import Grid
from tybalt_like.io.layout import decoded
from tybalt_like.io.source import Source

if TYPE_CHECKING:
    import h5py

_MATRIX, _ROWS, _COLUMNS = "0/DATA/0/matrix", "0/META/ROW", "0/META/COL"


def _is_gctx(source: Source) -> bool:
    return "0" in source.hdf5_keys


def _read(source: Source) -> Grid:
    import h5py

    source.hdf5.check_fits()
    with h5py.File(source.path) as file:
        lacking = [path for path in (_MATRIX, f"{_ROWS}/id", f"{_COLUMNS}/id") if path not in file]
        if lacking:
            raise DataError(f"{source.name}: not a GCTX file, for it lacks {lacking[0]}")
        genes, samples = (_described(file[path]) for path in (_ROWS, _COLUMNS))
        matrix = file[_MATRIX]
        # columns of the matrix are genes: HDF5 of MATLAB, by which GCTX was made, turns it over
        if matrix.shape != (len(samples), len(genes)):
            raise DataError(
                f"{source.name}: the matrix is {' x '.join(map(str, matrix.shape))}, for "
                f"{len(samples)} samples and {len(genes)} genes; the file is damaged"
            )
        x_ng = np.empty(matrix.shape, np.float32)
        matrix.read_direct(x_ng)
    grid = Grid(
        [x_ng],
        rows=list(samples.pop("id").astype(str)),
        columns=list(genes.pop("id").astype(str)),
        row_data=samples.apply(known),
        column_data=genes.apply(known),
        genes_in="columns",
        notes=["GCTX"],
    )
    blank(grid)
    return grid


def _described(group: h5py.Group) -> pd.DataFrame:
    """One value per row or column under each name; other lengths are left aside."""
    n = group["id"].shape[0]
    return pd.DataFrame(
        {key: _plain(group[key][:]) for key in group if getattr(group[key], "shape", None) == (n,)}
    )


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind in "SO":
        texts = [decoded(v) if isinstance(v, bytes) else str(v) for v in values]
        return np.array([text.strip() for text in texts], dtype=object)
    return values


FORMAT = Format("GCTX", _is_gctx, _read)
