"""10x Genomics: h5 files of Cell Ranger, and folders with matrix, features and barcodes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Format, Noted
from tybalt_like.io.grid import repeated_genes_allowed
from tybalt_like.io.layout import decoded
from tybalt_like.io.matrix_market import read_matrix_market
from tybalt_like.io.parts import KIND_COLUMNS, genes_of
from tybalt_like.io.source import Source
from tybalt_like.io.sparse import check_indices

if TYPE_CHECKING:
    import h5py

_OLD = {"barcodes", "data", "gene_names", "genes", "indices", "indptr", "shape"}


def _is_10x(source: Source) -> bool:
    if source.is_folder:
        return _matrix_file(source.path) is not None
    if source.head.startswith(b"%%MatrixMarket"):
        return True
    return bool(source.hdf5_keys) and _group(source) is not None


def _read(source: Source) -> Noted:
    return _read_h5(source) if source.hdf5_keys else _read_folder(source)


def _group(source: Source) -> str | None:
    """Where the matrix is: ``matrix`` since version 3, under the genome's name before."""
    import h5py

    with h5py.File(source.path) as file:
        if "features" in getattr(file.get("matrix"), "keys", list)():
            return "matrix"
        old = [key for key in file if set(getattr(file[key], "keys", list)()) >= _OLD]
    if len(old) > 1:
        raise DataError(f"{source.name}: several genomes ({', '.join(old)}); keep one of them")
    return old[0] if old else None


def _read_h5(source: Source) -> Noted:
    import h5py

    source.hdf5.check_fits()
    group = _group(source)
    with h5py.File(source.path) as file:
        cells = file[group]
        features = cells.get("features", cells)
        ids = _strings(features["id"] if "id" in features else features["genes"])
        names = _strings(features["name"] if "name" in features else features["gene_names"])
        kinds = _strings(features["feature_type"]) if "feature_type" in features else None
        parts = (cells[key][:] for key in ("data", "indices", "indptr"))
        # columns of the file are cells, so that its compressed columns are our rows
        x = sparse.csr_matrix(tuple(parts), shape=tuple(cells["shape"][:])[::-1])
        check_indices(x)
        return _genes(x, ids, names, kinds, _strings(cells["barcodes"]), source.name)


def _strings(dataset: h5py.Dataset) -> list[str]:
    return [decoded(value) for value in dataset[:]]


def _matrix_file(folder: Path) -> Path | None:
    found = sorted(folder.glob("*matrix.mtx*"))
    return found[0] if found else None


def _read_folder(source: Source) -> Noted:
    matrix = _matrix_file(source.path) if source.is_folder else source.path
    assert matrix is not None
    prefix = matrix.name.partition("matrix.mtx")[0]
    barcodes = [row[0] for row in _beside(matrix, prefix, ("barcodes",))]
    features = _beside(matrix, prefix, ("features", "genes"))
    entries = read_matrix_market(Source(matrix), shape=(len(features), len(barcodes)))
    x = entries.T.tocsr()  # which sums what occurs twice
    if x.nnz < entries.nnz:
        twice = entries.nnz - x.nnz
        raise DataError(f"{matrix}: {twice:,} entries repeat the place of another; copy it again")
    ids = [row[0] for row in features]
    names = [row[1] if len(row) > 1 else row[0] for row in features]
    kinds = [row[2] for row in features] if all(len(row) > 2 for row in features) else None
    return _genes(x, ids, names, kinds, barcodes, source.name)


def _beside(matrix: Path, prefix: str, stems: tuple[str, ...]) -> list[list[str]]:
    """Rows of the tsv, compressed or not, that belongs to a matrix."""
    for stem in stems:
        for path in sorted(matrix.parent.glob(f"{prefix}{stem}.tsv*")):
            blocks = Source(path).blocks()
            return [decoded(row).split("\t") for block in blocks for row in block.splitlines()]
    raise DataError(f"{matrix}: there is no {prefix}{stems[0]}.tsv beside it")


def _genes(
    x: sparse.csr_matrix,
    ids: list[str],
    names: list[str],
    kinds: list[str] | None,
    cells: list[str],
    file: str,
) -> Noted:
    """Cells x genes under their symbols; other features, such as antibodies, are left out."""
    from anndata import AnnData

    var = pd.DataFrame({"gene_id": ids}, index=np.array(names, dtype=object))
    if kinds is not None:
        var[KIND_COLUMNS[0]] = kinds
    with repeated_genes_allowed():
        adata = AnnData(x, obs=pd.DataFrame(index=np.array(cells, dtype=object)), var=var)
    return genes_of(adata, file)


FORMAT = Format("10x", _is_10x, _read)
