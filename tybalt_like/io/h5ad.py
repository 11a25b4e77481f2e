"""AnnData in HDF5: h5ad."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from tybalt_like.io.format import Format
from tybalt_like.io.source import Source

if TYPE_CHECKING:
    from anndata import AnnData


def _is_h5ad(source: Source) -> bool:
    return {"obs", "var"} <= source.hdf5_keys


def _read(source: Source) -> AnnData:
    import anndata

    source.hdf5.check_fits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files of older anndata, which read all the same
        return anndata.read_h5ad(source.path)


FORMAT = Format("h5ad", _is_h5ad, _read)
