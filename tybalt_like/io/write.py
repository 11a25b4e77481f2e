"""Writing: h5ad that Python and R can read, and tables; whole or not at all."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable, Mapping
from io import RawIOBase
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import (
    is_bool_dtype,
    is_complex_dtype,
    is_datetime64_any_dtype,
    is_numeric_dtype,
)
from scipy.sparse import issparse

from tybalt_like.core.errors import DataError
from tybalt_like.core.files import has_room, whole_file
from tybalt_like.io.grid import repeated_genes_allowed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer
    from anndata import AnnData

DIGITS = 7
"""Significant digits of numbers that people read."""
PIECE = 1 << 16
"""Bytes that are compressed at a time."""
EXACT = 22
"""Powers of ten up to this one are exact in double precision."""


def write_h5ad(adata: AnnData, path: str | Path) -> None:
    """Write an AnnData as h5ad, compressed.

    `adata` is left as it is. Every column of every table in the file is of a kind that R reads
    too: numbers, truth values, text without gaps, and categories. Text and truth values with
    missing ones become categories; whole numbers with missing ones become floating point; dates
    and columns of mixed kinds become text; a slash in a name becomes an underscore, and entries
    of ``uns`` that h5ad cannot hold become JSON strings.

    Parameters
    ----------
    adata
        Samples x genes.
    path
        The old file stays until the new one is whole.

    Raises
    ------
    WriteError
        If the folder does not exist or cannot be written to.
    """
    from anndata import AnnData, settings

    with repeated_genes_allowed():
        clean = AnnData(
            adata.X,
            obs=_plain(adata.obs),
            var=_plain(adata.var),
            uns=_keyed(adata.uns, _storable),
            obsm=_keyed(adata.obsm, _plain_of),
            varm=_keyed(adata.varm, _plain_of),
            layers=_keyed(adata.layers, lambda values: values),
            obsp=dict(adata.obsp),
            varp=dict(adata.varp),
        )
        if adata.raw is not None:
            raw = adata.raw
            clean.raw = AnnData(raw.X, obs=clean.obs, var=_plain(raw.var), varm=dict(raw.varm))
    path = Path(path)
    with whole_file(path) as partial, settings.override(allow_write_nullable_strings=False):
        if has_room(path, clean.__sizeof__()):
            clean.write_h5ad(partial, compression="gzip", convert_strings_to_categoricals=False)
        else:
            partial.write_bytes(_image(clean))


def write_table(table: pd.DataFrame | Iterable[pd.DataFrame], path: str | Path) -> None:
    """Write a table by extension: .tsv, .csv, either with .gz, or .parquet.

    In text, what a spreadsheet would run as a formula gets an apostrophe in front. Numbers are
    written so that reading gives back the same; the same table gives the same bytes.

    Parameters
    ----------
    table
        Or the pieces of one, which text needs one at a time in memory.

    Raises
    ------
    DataError
        If the extension is another.
    WriteError
        If the folder does not exist or cannot be written to.
    """
    path, pieces = Path(path), [table] if isinstance(table, pd.DataFrame) else table
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind not in {"tsv", "csv", "parquet"}:
        raise DataError(f"{path}: cannot write this kind; use .tsv, .tsv.gz, .csv or .parquet")
    with whole_file(path) as partial:
        if kind == "parquet":
            pd.concat(list(pieces)).to_parquet(partial)
            return
        sep = "\t" if kind == "tsv" else ","
        with partial.open("wb") as raw:
            packed = path.suffix == ".gz"
            file = gzip.GzipFile("", "wb", 6, raw, mtime=0) if packed else raw
            with file, _Even(file) as even:
                for i, piece in enumerate(pieces):
                    defused(piece).to_csv(even, sep=sep, header=i == 0)


class _Even(RawIOBase):
    """Hands on bytes in pieces of one size: what gzip makes of them depends on the pieces."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file, self._left = file, bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        self._left += data
        while len(self._left) >= PIECE:
            self._file.write(self._left[:PIECE])
            del self._left[:PIECE]
        return memoryview(data).nbytes

    def close(self) -> None:
        if not self.closed:
            self._file.write(self._left)
        super().close()


def shortened(table: pd.DataFrame) -> pd.DataFrame:
    """With floating-point numbers of `DIGITS` significant digits, for tables that people read.

    That is what single precision holds; whole numbers up to 10**15 stay as they are.
    """
    short = table.copy(deep=False)
    for i in range(table.shape[1]):
        if not pd.api.types.is_float_dtype(table.dtypes.iloc[i]):
            continue
        value_n = table.iloc[:, i].to_numpy(np.float64)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            place_n = DIGITS - 1 - np.floor(np.log10(np.abs(value_n)))
            scale_n = 10.0 ** np.abs(place_n)  # exact up to 10**22, so that rounding is
            high_n, low_n = np.round(value_n / scale_n) * scale_n, np.round(value_n * scale_n)
            found_n = np.where(place_n < 0, high_n, low_n / scale_n)
        whole_n = np.isfinite(value_n) & (value_n == np.round(value_n)) & (np.abs(value_n) < 1e15)
        kept_n = whole_n | ~np.isfinite(found_n) | (np.abs(place_n) > EXACT)
        short.isetitem(i, np.where(kept_n, value_n, found_n))
    return short


_FORMULA = re.compile(r"=|[+\-@].*[(|!]", re.DOTALL)
"""What spreadsheets run: ``=1+1``, ``@SUM(A1)``, ``-2+cmd|' /C calc'!A0``; not ``+`` or ``-ve``."""


def defused(table: pd.DataFrame) -> pd.DataFrame:
    """With an apostrophe in front of texts that a spreadsheet would run as formulas."""
    safe = table.copy(deep=False)
    for i in range(table.shape[1]):
        texts = table.iloc[:, i]
        if not pd.api.types.is_numeric_dtype(texts.dtype):
            safe.isetitem(i, texts.map(_harmless, na_action="ignore").to_numpy())
    safe.columns = pd.Index([_harmless(name) for name in table.columns], name=table.columns.name)
    if not pd.api.types.is_numeric_dtype(table.index.dtype):
        safe.index = table.index.map(_harmless)
    return safe


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _image(adata: AnnData) -> bytes:
    """The file in memory: HDF5 does not survive a disk that becomes full while it writes."""
    import h5py
    from anndata.io import write_elem

    with h5py.File("image.h5ad", "w", driver="core", backing_store=False) as file:
        write_elem(file, "/", adata, dataset_kwargs={"compression": "gzip"})
        file.flush()
        return bytes(file.id.get_file_image())


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of the few kinds that every reader of h5ad knows."""
    index = frame.index.astype(str).astype(object).rename(None)
    columns = _keyed(frame, _plain_column)
    return pd.DataFrame(
        {name: column.set_axis(index) for name, column in columns.items()}, index=index
    )


def _plain_of(value: Any) -> Any:
    """The same for what may be a table."""
    return _plain(value) if isinstance(value, pd.DataFrame) else value


def _plain_column(column: pd.Series[Any]) -> pd.Series[Any]:
    kind, gaps = column.dtype, bool(column.isna().any())
    if column.isna().all() and len(column):
        return column.astype(object).astype(np.float64)  # hdf5r reads no empty list of categories
    if isinstance(kind, pd.CategoricalDtype):
        return column.cat.rename_categories([_text(c) for c in column.cat.categories])
    if is_bool_dtype(kind) and not gaps:
        return column.astype(bool)
    if is_numeric_dtype(kind) and not is_bool_dtype(kind) and not is_complex_dtype(kind):
        if gaps or kind == np.float16:
            return column.astype(np.float64)
        bytes_ = kind in (np.int8, np.uint8)  # which R takes for raw ones
        return column.astype(np.int32) if bytes_ else pd.Series(column.to_numpy(), column.index)
    if is_datetime64_any_dtype(kind):
        column = column.astype(str).where(column.notna())  # days without a time of day
    texts = column.astype(object).map(_text, na_action="ignore")
    return texts.astype("category") if gaps else texts


def _text(cell: Any) -> str:
    return str(cell).replace("\0", "")  # which HDF5 takes for the end


def _keyed(named: Mapping[Any, Any] | pd.DataFrame, plain: Callable[[Any], Any]) -> dict[str, Any]:
    """Under names without slashes, which HDF5 takes for groups; all different, where a/b stands
    beside a_b."""
    found: dict[str, Any] = {}
    for name, value in named.items():
        key = str(name).replace("/", "_")
        while key in found:
            key += "_"
        found[key] = plain(value)
    return found


def _storable(value: Any) -> Any:
    """As it is if h5ad holds it, tables with plain columns, else as a JSON string."""
    if isinstance(value, dict):
        return _keyed(value, _storable)
    if isinstance(value, pd.DataFrame):
        return _plain(value)
    if isinstance(value, np.ndarray) and value.dtype == object:
        strings = all(isinstance(item, str) for item in value.flat)
        return value if strings else json.dumps(value.tolist(), default=str)
    if isinstance(value, str | int | float | bool | np.generic | np.ndarray) or issparse(value):
        return value
    return json.dumps(value, default=str)
