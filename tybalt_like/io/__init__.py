"""One `read` for every format, one file per format: a file put here that declares a `FORMAT` is
known to `read`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tybalt_like.core import discovery as _discovery
from tybalt_like.core import provenance
from tybalt_like.core.errors import DataError, TybaltLikeError
from tybalt_like.io.format import Format
from tybalt_like.io.gene_list import read_gene_list
from tybalt_like.io.gmt import read_gmt
from tybalt_like.io.grid import Axis, Grid, repeated_genes_allowed
from tybalt_like.io.image_folder import folder_of_images
from tybalt_like.io.layout import UNNAMED
from tybalt_like.io.orientation import orientation
from tybalt_like.io.plain_text import make_plain
from tybalt_like.io.sample_columns import refuse_sample_table, set_aside
from tybalt_like.io.samples import SampleTable, join
from tybalt_like.io.source import Source
from tybalt_like.io.sparse import check_indices
from tybalt_like.io.table import read_table
from tybalt_like.io.write import write_h5ad, write_table

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["read", "read_gene_list", "read_gmt", "write_h5ad", "write_table"]

_MODULES = _discovery.load_modules(__name__, __path__)
FORMATS: list[Format] = [module.FORMAT for module in _MODULES if hasattr(module, "FORMAT")]
TEXT = Format("delimited text", lambda source: not source.is_folder, read_table)


def __dir__() -> list[str]:
    return __all__


def read(
    source: str | Path,
    *,
    obs: str | Path | pd.DataFrame | None = None,
    genes_in: Literal["auto", "rows", "columns"] = "auto",
    image_size: int | None = None,
) -> AnnData:
    """Read an expression matrix of any known format as samples x genes, images as samples x pixels.

    Parameters
    ----------
    source
        File or folder; ``-`` is standard input.
    obs
        Sample table, joined by sample id: a file, or a table with the ids as index or column.
    genes_in
        Where the file has its genes; found out if ``"auto"``.
    image_size
        Rows and columns to resize the images of a folder to.

    Returns
    -------
    AnnData
        `X` is float32 with NaN where values are missing, in the units of the file. What was
        understood is recorded in ``uns["tybalt_like"]`` under ``reading``.

    Raises
    ------
    DataError
        If the file is missing, empty, damaged, of no known format, ragged, holds text or
        infinite values in the matrix, names a sample twice, or has no sample in `obs`.
    """
    if genes_in not in ("auto", "rows", "columns"):
        raise DataError(f'genes_in is {genes_in!r}; it must be "auto", "rows" or "columns"')
    opened = Source(source)
    table = None if obs is None else SampleTable.of(obs)
    name = opened.name
    found, kind = _read(opened, image_size)
    notes: list[str] = []
    if isinstance(found, Grid):
        notes += found.notes
        refuse_sample_table(found, name)
        axis, said = _genes_in(found, table, genes_in, name)
        notes += said
        if axis == "rows" and (unnamed := found.drop_unnamed_rows()):
            notes.append(f"genes without a name, left out: {unnamed}")
        adata, said = set_aside(found.anndata(axis), name)
        notes += said
    else:
        axis = "columns" if genes_in == "auto" else genes_in
        with repeated_genes_allowed():
            adata = found.T if axis == "rows" else found
    _as_float32(adata, name)
    _check(adata, name)
    unmatched: dict[str, list[str]] = {}
    if table is not None:
        joined, unmatched = join(adata, table)
        notes += joined
    if cleaned := make_plain(adata):
        _check(adata, name)  # two names may have become one
        notes += cleaned
    notes += _free_reserved_names(adata)
    reading = {"source": name, "format": kind, "genes_in": axis, "n_obs": adata.n_obs}
    reading |= {"n_vars": adata.n_vars, "notes": notes} | unmatched
    provenance.record(adata, reading=reading)
    return adata


def _read(source: Source, image_size: int | None) -> tuple[Grid | AnnData, str]:
    """What the first format that recognises the source makes of it, and the format's name."""
    if image_size is not None:
        return folder_of_images(source, size=image_size), f"images, {image_size} pixels wide"
    try:
        for format in (*FORMATS, TEXT):
            if format.recognises(source):
                return format.read(source), format.name
    except TybaltLikeError:
        raise
    except Exception as error:  # parsers of other libraries meet damage with almost any error
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{source.name}: cannot be read as {format.name} ({reason})") from error
    raise DataError(f"{source.name}: this folder holds no known format")


def _genes_in(
    grid: Grid, table: SampleTable | None, told: Literal["auto", "rows", "columns"], name: str
) -> tuple[Axis, list[str]]:
    """Where the genes are, and a sentence about it if it was found out or looks wrong."""
    if told == "auto":
        axis, evidence = orientation(grid, table, name=name)
        return axis, [f"genes are in the {axis}: {evidence}"]
    try:
        axis, evidence = orientation(grid, table, name=name)
    except DataError:
        return told, []
    if axis == told:
        return told, []
    return told, [f"genes are in the {told}, as told, although {evidence}: is that right?"]


def _as_float32(adata: AnnData, name: str) -> None:
    if adata.X is None:
        raise DataError(f"{name}: it holds no matrix X")
    if hasattr(adata.X, "check_format"):
        try:
            check_indices(adata.X)
        except ValueError as error:
            raise DataError(f"{name}: the sparse matrix is damaged ({error})") from error
    x: Any = adata.X.tocsr() if hasattr(adata.X, "tocsr") else np.asarray(adata.X)
    if x.dtype.kind not in "biuf":
        raise DataError(f"{name}: the matrix holds {x.dtype}, not numbers")
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused below
        adata.X = x.astype(np.float32, copy=False)


RESERVED = "_index"
"""h5ad keeps this name of a column for itself; exports of Seurat hold one."""


def _free_reserved_names(adata: AnnData) -> list[str]:
    """Rename columns that could not be written again; what was done, in words."""
    notes = []
    for what, name in (("sample", "obs"), ("gene", "var")):
        frame = getattr(adata, name)
        if RESERVED in frame:
            new = next(name for name in ("index", "index_", "index__") if name not in frame)
            setattr(adata, name, frame.rename(columns={RESERVED: new}))
            notes.append(f"{what} column {RESERVED!r} is called {new!r} here: h5ad reserves it")
    return notes


def _check(adata: AnnData, name: str) -> None:
    """Samples are named once and every value is finite or missing."""
    if 0 in adata.shape:
        raise DataError(f"{name}: {adata.n_obs} samples x {adata.n_vars} genes; nothing to do")
    unnamed = [i for i, sample in enumerate(adata.obs_names, 1) if sample in UNNAMED]
    if unnamed:
        raise DataError(f"{name}: sample {unnamed[0]} has no name; name it")
    twice = adata.obs_names[adata.obs_names.duplicated()]
    if len(twice):
        raise DataError(
            f"{name}: sample {twice[0]!r} occurs twice ({len(twice)} repeated names in all); "
            "rename or remove the copies"
        )
    found = _first_infinite(adata.X)
    if found is not None:
        row, column = found
        raise DataError(
            f"{name}: sample {adata.obs_names[row]!r}, gene {adata.var_names[column]!r}: the value "
            "is infinite or too large for a 32-bit number; correct it, or leave it empty"
        )


def _first_infinite(x: Any) -> tuple[int, int] | None:
    if not isinstance(x, np.ndarray):
        at = np.flatnonzero(np.isinf(x.data))
        return (int(x.tocoo().row[at[0]]), int(x.indices[at[0]])) if len(at) else None
    for start in range(0, len(x), 256):
        infinite = np.isinf(x[start : start + 256])
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            return start + int(row), int(column)
    return None
