"""AnnData in a zarr folder."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from tybalt_like.io.format import Format
from tybalt_like.io.source import Source

if TYPE_CHECKING:
    from anndata import AnnData


def _is_zarr(source: Source) -> bool:
    return source.is_folder and any(
        (source.path / mark).exists() for mark in (".zgroup", "zarr.json")
    )


def _read(source: Source) -> AnnData:
    import anndata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files of older anndata, which read all the same
        return anndata.read_zarr(source.path)


FORMAT = Format("zarr", _is_zarr, _read)
