"""What is taken of a file that holds several things: X or a layer or ``.raw``, and genes only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Chooser, Noted
from tybalt_like.io.grid import repeated_genes_allowed
from tybalt_like.io.options import AbsentError

if TYPE_CHECKING:
    from anndata import AnnData

IN_PLACE = "X"
"""The layer of this name is the matrix itself, if there is no other of that name."""
KIND_COLUMNS = ("feature_types", "feature_type")
"""Where Cell Ranger's kinds of features stand: in scanpy's h5ad, and in its own h5."""
_GENES = frozenset({"gene expression", "gex", "rna", "mrna"})
_OTHERS = frozenset(
    {
        *("antibody capture", "adt", "multiplexing capture", "hto"),
        *("crispr guide capture", "antigen capture", "peaks", "atac", "custom", "vdj"),
    }
)
_SCALED = "negative values, as after scaling"
FAR_APART = 8
"""Rows that are so near each other are read together, with those between them."""
_LOOKED_AT = 200
"""First samples, which say what a matrix holds."""


def taken(
    adata: AnnData,
    name: str,
    *,
    layer: str | None = None,
    use_raw: bool = False,
    named: bool = False,
) -> Noted:
    """A layer or ``.raw`` in place of X, if one is named; of several kinds of features the genes.

    Without a choice, a note names layers and ``.raw`` that hold counts where X does not.

    Parameters
    ----------
    name
        Of the file, for messages.
    named
        Whether the user asked for these features by name, whatever they are.

    Raises
    ------
    AbsentError
        If there is no such layer, or no ``.raw``; lists what there is.
    DataError
        If none of the features is a gene.
    """
    notes = []
    if use_raw:
        if adata.raw is None:
            raise AbsentError(f"{name}: there is no .raw; it has {_available(adata)}")
        shape = adata.n_vars
        with repeated_genes_allowed():
            adata = adata.raw.to_adata()
        notes.append(f".raw is read, with its {adata.n_vars:,} genes, in place of X with {shape:,}")
    elif layer is not None and (layer != IN_PLACE or layer in adata.layers):
        if layer not in adata.layers:
            raise AbsentError(f"{name}: there is no layer {layer!r}; it has {_available(adata)}")
        adata.X = adata.layers.pop(layer)
        notes.append(f"layer {layer!r} is read in place of X")
    elif adata.X is None:
        raise AbsentError(f"{name}: there is no X; name what to read: {_available(adata)}")
    elif layer is None:
        notes += hints(adata)
    for axis in ("obs", "var"):
        setattr(adata, axis, _numpy_kinds(getattr(adata, axis)))
    kinds = kinds_of(adata)
    if named and kinds is not None and not _among(kinds, _GENES).any():
        return Noted(
            adata, [*notes, f"features that are no genes, but were named: {_counted(kinds)}"]
        )
    return genes_of(adata, name, notes)


def some_samples(group: Any, choose: Chooser) -> Noted | None:
    """X of some samples of an h5ad or zarr, read without the others, and `hints`; None where that
    cannot be: there is no X, it is stored by genes, or some features are no genes.

    Parameters
    ----------
    group
        The open file or folder.
    choose
        Which; see `Chooser`.
    """
    from anndata import AnnData
    from anndata.io import read_elem

    x = _on_disk(group["X"]) if "X" in group else None
    if x is None:
        return None
    obs, var = read_elem(group["obs"]), read_elem(group["var"])
    if kinds_of(AnnData(var=var)) is not None:
        return None
    rows = choose(obs.index.astype(str), var.index.astype(str))
    pieces = np.split(rows, np.flatnonzero(np.diff(rows) > FAR_APART) + 1)
    found = [x[piece[0] : piece[-1] + 1][piece - piece[0]] for piece in pieces if len(piece)]
    stack = sparse.vstack if sparse.issparse(found[0]) else np.concatenate
    with repeated_genes_allowed():
        adata = AnnData(stack(found), obs=_numpy_kinds(obs.iloc[rows]), var=_numpy_kinds(var))
    return Noted(adata, _hints(x, _others_on_disk(group)))


def _numpy_kinds(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of a newer anndata (nullable text, numbers and truth values) as older ones had it."""
    columns = {name: _numpy_kind(column) for name, column in frame.items()}
    return pd.DataFrame(columns, index=frame.index).set_axis(frame.index.astype(object))


def _numpy_kind(column: pd.Series[Any]) -> pd.Series[Any]:
    kind, gaps = column.dtype, column.isna().any()
    plain = isinstance(kind, np.dtype | pd.CategoricalDtype | pd.DatetimeTZDtype)
    if plain:
        return column
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind):
        return column.astype(np.float64) if gaps else pd.Series(column.to_numpy(), column.index)
    if pd.api.types.is_bool_dtype(kind) and not gaps:
        return column.astype(bool)
    return column.astype(object).where(column.notna(), np.nan)


def genes_of(adata: AnnData, name: str, notes: Sequence[str] = ()) -> Noted:
    """Without features that are no genes, such as antibodies; a note counts them by kind.

    Raises
    ------
    DataError
        If none of the features is a gene.
    """
    kinds = kinds_of(adata)
    if kinds is None:
        return Noted(adata, list(notes))
    gene_g = _among(kinds, _GENES)
    others = _counted(kinds[~gene_g])
    if not gene_g.any():
        raise DataError(f"{name}: no feature is a gene (Gene Expression): there are {others}")
    with repeated_genes_allowed():
        kept = adata[:, gene_g].copy()
    return Noted(kept, [*notes, f"features that are no genes, left out: {others}"])


def kinds_of(adata: AnnData) -> pd.Series | None:
    """The kind of each feature, if some are no genes."""
    column = next((key for key in KIND_COLUMNS if key in adata.var), None)
    if column is None:
        return None
    kinds = adata.var[column].astype(object).fillna("without a kind").astype(str)
    gene_g = _among(kinds, _GENES)
    known = gene_g.any() or _among(kinds, _OTHERS).any()  # biotypes and the like are no kinds
    return kinds if known and not gene_g.all() else None


def _counted(kinds: pd.Series) -> str:
    return ", ".join(f"{n:,} {kind}" for kind, n in Counter(kinds).most_common())


def _among(kinds: pd.Series, known: frozenset[str]) -> NDArray[np.bool_]:
    plain = kinds.str.lower().str.replace(r"[_\s]+", " ", regex=True)
    return np.asarray(plain.isin(known))


def _available(adata: AnnData) -> str:
    """The matrices of a file, in words."""
    x = [] if adata.X is None else ["X"]
    layers = [f"layer {name!r}" for name in adata.layers]
    raw = [] if adata.raw is None else [".raw (use_raw)"]
    return ", ".join([*x, *layers, *raw]) or "no matrix"


def hints(adata: AnnData) -> list[str]:
    """Where better values than those of X lie: counts, or at least values that are not scaled."""
    return _hints(adata.X, _other_matrices(adata))


def _hints(matrix: Any, others: Iterable[tuple[str, str, Any]]) -> list[str]:
    own = _content(matrix)
    if own == "counts":
        return []
    other = [(what, option, _content(x)) for what, option, x in others]
    found = [one for one in other if one[2] == "counts"]
    if own == _SCALED:
        found = found or [one for one in other if one[2] != own]
    if not found:
        return []
    where = " and ".join(f"{content} in {what} ({option})" for what, option, content in found)
    return [f"X holds {own}; there are {where}"]


def _other_matrices(adata: AnnData) -> Iterator[tuple[str, str, Any]]:
    """Name, how to choose it, and values."""
    raw = None if adata.raw is None else adata.raw.X
    return _named(raw, adata.layers)


def _others_on_disk(group: Any) -> Iterator[tuple[str, str, Any]]:
    """The same of an open file or folder, of matrices that are stored by samples."""
    raw = _on_disk(group["raw/X"]) if "raw/X" in group else None
    layers = group.get("layers", {})
    found = {name: _on_disk(layers[name]) for name in layers}
    return _named(raw, {name: x for name, x in found.items() if x is not None})


def _named(raw: Any, layers: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    if raw is not None:
        yield f".raw with {raw.shape[1]:,} genes", "use_raw = true, --use-raw", raw
    for name, x in layers.items():
        yield f"layer {name!r}", f"layer = {name!r}, --layer {name}", x


def _on_disk(element: Any) -> Any:
    """A matrix of an open file, of which rows can be read; None if they cannot."""
    from anndata.io import sparse_dataset

    kind = element.attrs.get("encoding-type")
    if kind == "csr_matrix":
        return sparse_dataset(element)
    return element if kind == "array" else None


def _content(x: Any) -> str:
    """What a matrix holds, judged by its first samples."""
    rows = x[:_LOOKED_AT]
    values = np.asarray(rows.data if hasattr(rows, "indptr") else rows, dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size and values.min() < 0:
        return _SCALED
    return "counts" if (values == np.rint(values)).all() else "logged or normalised values"
