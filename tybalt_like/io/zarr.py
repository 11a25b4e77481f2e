"""AnnData in a zarr folder."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tybalt_like.core.errors import DataError
from tybalt_like.core.memory import available
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


def check_folder(folder: Path, *, whole: bool) -> None:
    """Look through a zarr folder before anything of it is read.

    Parameters
    ----------
    whole
        Whether all of it is about to be read, not a part at a time.

    Raises
    ------
    DataError
        If it holds a link, which may lead to anybody's files, promises larger arrays than the
        memory can hold, or its descriptions are damaged.
    """
    free, alone = available(), 0
    for path in _files(folder):
        if path.name not in _DESCRIPTIONS:
            continue
        try:
            sizes = list(_sizes(json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = " ".join(repr(error).split())[:100]
            raise DataError(f"{path} is damaged ({reason}); copy it again") from None
        alone += 0 if path.parent == folder else sum(size for size, _ in sizes)
        together = sum(size for size, _ in sizes) if path.parent == folder else alone
        needed = max([together * whole, *(chunk for _, chunk in sizes)])
        if needed > free:
            raise DataError(
                f"{path}: its data take {needed / 2**30:,.1f} GB of memory, of which "
                f"{free / 2**30:,.1f} GB are free; take a part of the samples, more memory, "
                "or leave the matrix on disk (data.in_memory in a recipe, pp.open_backed)"
            )


_DESCRIPTIONS = {".zarray", ".zmetadata", "zarr.json"}
"""Of arrays; those at the top of a folder repeat all of them."""


def _files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise DataError(f"{entry.path} is a link; copy what it names into the zarr folder")
            if entry.is_dir():
                yield from _files(Path(entry.path))
            else:
                yield Path(entry.path)


def _sizes(about: Any) -> Iterator[tuple[int, int]]:
    """Bytes of each array that a description names, and of one of its chunks, uncompressed."""
    if not isinstance(about, dict):
        return
    if not {"zarr_format", "shape"} <= about.keys():
        for one in about.values():
            yield from _sizes(one)
        return
    shape = about["shape"]
    grid = about["chunk_grid"]["configuration"] if "chunk_grid" in about else about
    chunks = grid["chunk_shape" if "chunk_grid" in about else "chunks"]
    if not all(isinstance(n, int) and n >= 0 for n in (*shape, *chunks)):
        raise ValueError("no shape")
    width = _width(about.get("dtype", about.get("data_type")))
    yield math.prod(shape) * width, math.prod(chunks) * width


def _width(kind: object) -> int:
    """Bytes of a number; of a text, those of its address."""
    import numpy as np

    try:
        return np.dtype(str(kind)).itemsize or 8
    except TypeError:
        return 8


def _read(source: Source, *, layer: str | None = None, use_raw: bool = False) -> Noted:
    import anndata

    check_folder(source.path, whole=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files of older anndata, which read all the same
        adata = anndata.read_zarr(source.path)
    return taken(adata, source.name, layer=layer, use_raw=use_raw)


def _opened(source: Source) -> Any:
    import zarr

    check_folder(source.path, whole=False)
    return nullcontext(zarr.open_group(source.path, mode="r"))


FORMAT = Format("zarr", _is_zarr, _read, takes=("layer", "use_raw"), opened=_opened)
