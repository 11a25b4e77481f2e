"""AnnData in HDF5: h5ad."""

from __future__ import annotations

import warnings
from typing import Any

from tybalt_like.io.format import Format, Noted
from tybalt_like.io.parts import taken
from tybalt_like.io.source import Source


def _is_h5ad(source: Source) -> bool:
    return {"obs", "var"} <= source.hdf5_keys and "mod" not in source.hdf5_keys


def _read(source: Source, *, layer: str | None = None, use_raw: bool = False) -> Noted:
    import anndata

    source.hdf5.check_fits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files of older anndata, which read all the same
        adata = anndata.read_h5ad(source.path)
    return taken(adata, source.name, layer=layer, use_raw=use_raw)


def _opened(source: Source) -> Any:
    import h5py

    return h5py.File(source.path)


FORMAT = Format("h5ad", _is_h5ad, _read, takes=("layer", "use_raw"), opened=_opened)
