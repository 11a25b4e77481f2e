"""AnnData in a zarr folder."""

from __future__ import annotations

import warnings

from tybalt_like.io.format import Format, Noted
from tybalt_like.io.parts import taken
from tybalt_like.io.source import Source


def _is_zarr(source: Source) -> bool:
    return is_store(source) and not (source.path / "mod").is_dir()


def is_store(source: Source) -> bool:
    """Whether this is a folder that zarr made."""
    return source.is_folder and any(
        (source.path / mark).exists() for mark in (".zgroup", "zarr.json")
    )


def _read(source: Source, *, layer: str | None = None, use_raw: bool = False) -> Noted:
    import anndata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files of older anndata, which read all the same
        adata = anndata.read_zarr(source.path)
    return taken(adata, source.name, layer=layer, use_raw=use_raw)


FORMAT = Format("zarr", _is_zarr, _read, takes=("layer", "use_raw"))
