"""Matrices larger than memory: opened without reading them, normalised into a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError, DiskFullError, TybaltLikeError
from tybalt_like.core.files import has_room, whole_file
from tybalt_like.io.hdf5 import walked
from tybalt_like.io.zarr import check_folder
from tybalt_like.pp.matrix import BLOCK

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData


def open_backed(path: Path | str) -> AnnData:
    """Open an h5ad file or a zarr folder; the matrix stays on disk, and layers, which may be as
    large, are left out.

    Raises
    ------
    DataError
        If it is neither, or a sparse matrix is stored by columns, so that samples cannot be read
        one after the other.
    """
    import h5py
    from anndata.abc import CSCDataset

    path = Path(path)
    try:
        if path.is_dir():
            check_folder(path, whole=False)
            adata = _open_zarr(path)
        else:
            if path.is_file() and h5py.is_hdf5(path):
                walked(path, name=str(path))
            adata = _open_h5ad(path)
    except TybaltLikeError:
        raise
    except Exception as error:  # anndata meets damage with almost any error
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path} is neither an h5ad file nor a zarr folder: {reason}") from None
    try:
        by_columns = isinstance(adata.X, CSCDataset)
    except KeyError:
        raise DataError(f"{path}: there is no X; name a layer to read in its place") from None
    if by_columns:
        raise DataError(f"{path}: the sparse matrix is stored by columns (CSC); store it as CSR")
    return adata


def _open_h5ad(path: Path) -> AnnData:
    import anndata
    import h5py
    from anndata.io import read_elem

    file = h5py.File(path, "r")
    if "encoding-type" not in file.attrs:  # of an anndata before 0.8
        file.close()
        return anndata.read_h5ad(path, backed="r")
    kept = [name for name in ("obs", "var", "uns", "obsm", "varm") if name in file]
    parts = {name: read_elem(file[name]) for name in kept}
    if "raw" in file:  # its matrix stays on disk too
        raw = file["raw"]
        parts["raw"] = {name: read_elem(raw[name]) for name in ("var", "varm") if name in raw}
    return anndata.AnnData(filename=file, **parts)


def _open_zarr(path: Path) -> AnnData:
    import zarr
    from anndata import AnnData
    from anndata.io import read_elem, sparse_dataset

    group = zarr.open_group(path, mode="r")
    matrix = group["X"]
    return AnnData(
        matrix if isinstance(matrix, zarr.Array) else sparse_dataset(matrix),
        obs=read_elem(group["obs"]),
        var=read_elem(group["var"]),
        uns=read_elem(group["uns"]) if "uns" in group else {},
    )


def path_of(adata: AnnData) -> Path | None:
    """The file or folder that a matrix on disk lies in; None of a matrix in memory."""
    if adata.isbacked:
        return Path(str(adata.filename))
    matrix = getattr(adata.X, "group", adata.X)  # of a sparse one
    root = getattr(getattr(matrix, "store", None), "root", None)
    return None if root is None else Path(root)


def write_pieces(
    frame: AnnData,
    pieces: Iterable[tuple[NDArray[np.floating], Any]],
    path: Path,
    *,
    counts: bool,
) -> None:
    """Write a normalised AnnData some samples at a time; the old file stays until the end.

    Parameters
    ----------
    frame
        The result without its matrix.
    pieces
        Rows of the matrix, and the same rows as they were read.
    counts
        Whether to keep the latter as a layer.

    Raises
    ------
    DiskFullError
        If there is no room for the result.
    """
    import h5py

    from tybalt_like.io import write_h5ad

    if not has_room(path, 4 * frame.n_obs * frame.n_vars * (1 + counts)):
        raise DiskFullError(f"{path}: there is no room for the result; choose another place")
    with whole_file(path) as partial:
        write_h5ad(frame, partial)
        with h5py.File(partial, "r+") as file:
            if "X" in file:  # anndata writes an empty one
                del file["X"]
            layers, start = file.require_group("layers"), 0
            for x_ng, as_read in pieces:
                _write_rows(file, "X", x_ng.astype(np.float32), start, frame.n_obs)
                if counts:
                    _write_rows(layers, keys.COUNTS, as_read, start, frame.n_obs)
                start += len(x_ng)


def _write_rows(group: h5py.Group, name: str, rows: Any, start: int, n_obs: int) -> None:
    """Write rows of a matrix that has `n_obs` of them in the end, making it with the first."""
    from anndata.io import sparse_dataset, write_elem
    from scipy import sparse

    if sparse.issparse(rows):
        if start:
            sparse_dataset(group[name]).append(rows)
        else:
            write_elem(group, name, rows)
        return
    if not start:
        g = rows.shape[1]
        together = (min(len(rows), max(1, BLOCK // g)), g)  # to be read in any order
        matrix = group.create_dataset(name, (n_obs, g), rows.dtype, chunks=together)
        matrix.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    group[name][start : start + len(rows)] = rows
