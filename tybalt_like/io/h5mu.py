"""MuData, several AnnData of the same cells, in HDF5 (h5mu) or a zarr folder: one of them is read.

mudata itself is not needed: each modality is stored as an AnnData.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Format, Noted
from tybalt_like.io.grid import repeated_genes_allowed
from tybalt_like.io.options import AbsentError
from tybalt_like.io.parts import taken
from tybalt_like.io.source import Source
from tybalt_like.io.zarr import is_store

if TYPE_CHECKING:
    from anndata import AnnData

_USUAL = ("rna", "gex")
"""Names of the modality of genes."""
_ELEMENTS = ("X", "obs", "var", "layers", "obsm", "varm", "obsp", "varp", "uns")


def _is_h5mu(source: Source) -> bool:
    if source.is_folder:
        return is_store(source) and (source.path / "mod").is_dir()
    return {"obs", "mod"} <= source.hdf5_keys


def _read(
    source: Source,
    *,
    modality: str | None = None,
    layer: str | None = None,
    use_raw: bool = False,
) -> Noted:
    from anndata.io import read_elem

    with _opened(source) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files of older anndata, which read all the same
        names = list(file["mod"])
        chosen = _chosen(names, modality, source.name)
        adata = _anndata(file["mod"][chosen])
        shared = read_elem(file["obs"])
    notes = []
    if others := [name for name in names if name != chosen]:
        notes.append(f"modality {chosen!r} is read; left out: {', '.join(others)}")
    if elsewhere := len(shared.index.difference(adata.obs_names)):
        notes.append(f"samples of other modalities only, left out: {elsewhere:,}")
    own = [f"{name}:" for name in names]  # mudata repeats the columns of each modality like that
    more = [c for c in shared if c not in adata.obs and not str(c).startswith(tuple(own))]
    adata.obs = adata.obs.join(shared.loc[~shared.index.duplicated(), more])
    named = modality is not None
    found = taken(adata, source.name, layer=layer, use_raw=use_raw, named=named)
    return found._replace(notes=notes + found.notes)


def _anndata(group: Any) -> AnnData:
    """Element by element, because earlier versions of mudata mark the group in other ways."""
    from anndata import AnnData
    from anndata.io import read_elem

    with repeated_genes_allowed():
        adata = AnnData(**{key: read_elem(group[key]) for key in _ELEMENTS if key in group})
        raw = group.get("raw")
        if raw is not None and "X" in getattr(raw, "keys", list)():
            adata.raw = AnnData(read_elem(raw["X"]), obs=adata.obs, var=read_elem(raw["var"]))
    return adata


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    if source.is_folder:
        import zarr

        yield zarr.open_group(source.path, mode="r")
        return
    import h5py

    with h5py.File(source.path) as file:
        yield file


def _chosen(names: Sequence[str], modality: str | None, file: str) -> str:
    """The modality to read."""
    if not names:
        raise DataError(f"{file}: it holds no modality")
    listed = ", ".join(names)
    if modality is not None:
        if modality not in names:
            raise AbsentError(f"{file}: there is no modality {modality!r}; it has {listed}")
        return modality
    of_genes = [name for name in names if name.lower() in _USUAL]
    if len(names) == 1 or len(of_genes) == 1:
        return names[0] if len(names) == 1 else of_genes[0]
    raise DataError(
        f"{file}: it has several modalities ({listed}); name the one of genes "
        '(modality = "NAME", --modality NAME)'
    )


FORMAT = Format("h5mu", _is_h5mu, _read, takes=("modality", "layer", "use_raw"))
