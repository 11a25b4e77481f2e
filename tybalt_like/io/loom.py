"""loom files: genes x cells in HDF5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Format, Noted
from tybalt_like.io.grid import repeated_genes_allowed
from tybalt_like.io.layout import decoded
from tybalt_like.io.options import AbsentError
from tybalt_like.io.parts import IN_PLACE
from tybalt_like.io.source import Source

_CELLS_AT_ONCE = 2048
_GENE_NAMES = ("Gene", "gene_name", "gene_names", "var_names", "Accession", "gene_id")
_CELL_NAMES = ("CellID", "cell_id", "obs_names", "cell_names", "barcode")


def _is_loom(source: Source) -> bool:
    return {"matrix", "row_attrs", "col_attrs"} <= source.hdf5_keys


def _read(source: Source, *, layer: str | None = None) -> Noted:
    import h5py
    from anndata import AnnData

    with h5py.File(source.path) as file:
        others, notes = list(file.get("layers", ())), list[str]()
        matrix = file["matrix"]
        if layer is not None and (layer != IN_PLACE or layer in others):
            if layer not in others:
                known = ", ".join(["X", *map(repr, others)])
                raise AbsentError(f"{source.name}: there is no layer {layer!r}; it has {known}")
            matrix = file["layers"][layer]
            notes.append(f"layer {layer!r} is read in place of the matrix")
        elif others:
            notes.append(f"layers, left out: {', '.join(others)} (layer = NAME, --layer NAME)")
        starts = range(0, matrix.shape[1], _CELLS_AT_ONCE)
        cells = [sparse.csr_matrix(matrix[:, i : i + _CELLS_AT_ONCE].T) for i in starts]
        var = _attributes(file["row_attrs"], _GENE_NAMES, source.name)
        obs = _attributes(file["col_attrs"], _CELL_NAMES, source.name)
    with repeated_genes_allowed():
        return Noted(AnnData(sparse.vstack(cells, format="csr"), obs=obs, var=var), notes)


def _attributes(group: Any, names: tuple[str, ...], file: str) -> pd.DataFrame:
    """One value per gene or cell; the first known name becomes the index."""
    columns = {key: _plain(group[key][:]) for key in group if group[key].ndim == 1}
    index = next((name for name in names if name in columns), None)
    if index is None:
        raise DataError(f"{file}: {group.name} has none of the names {', '.join(names)}")
    rows = columns.pop(index).astype(str).astype(object)
    return pd.DataFrame(columns, index=rows)


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind in "OS":
        return np.array([decoded(v) if isinstance(v, bytes) else v for v in values], dtype=object)
    return values


FORMAT = Format("loom", _is_loom, _read, takes=("layer",))
