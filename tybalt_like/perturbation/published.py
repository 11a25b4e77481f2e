"""The HDF5 layout of Dr.VAE's data file: single samples, pairs and drugs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import record
from tybalt_like.io.source import Source
from tybalt_like.perturbation.design import Design

if TYPE_CHECKING:
    from anndata import AnnData

SINGLE = ("sing_x1", "sing_cid")
PAIR = ("pair_x1", "pair_x2", "pair_cid", "pair_drug")
DESIGN = Design(
    group="cell_line",
    treatment="state",
    control="before",
    drug="drug",
    match=("pair",),
    response="response",
)
DRUGS = "drug_drug"
UNLABELLED = -1


def is_published(path: Path) -> bool:
    """Whether the file is HDF5 with that layout."""
    return path.is_file() and not Source(path).hdf5_keys.isdisjoint({"pair_x1", "sing_x1"})


def read_published(path: Path) -> tuple[AnnData, pd.DataFrame]:
    """Read ``sing_*``, ``pair_*`` and ``drug_*``.

    Returns
    -------
    AnnData
        One row per profile: single samples, then the first and the second halves of the pairs;
        ``obs`` has the columns of `DESIGN`, and ``tissue``, ``dose``, ``duration``.
    pandas.DataFrame
        ``cell_line``, ``drug``, ``response``: the known ones, of singles and of pairs.

    Raises
    ------
    DataError
        Names the entry that is missing or whose length differs.
    """
    import h5py
    from anndata import AnnData

    Source(path).hdf5.check_fits()
    with h5py.File(path) as file:
        data = {key: _plain(file[key][()]) for key in file}
    _check(data, path)
    n_single, n_pair = len(data["sing_x1"]), len(data["pair_x1"])
    x_ng = np.concatenate([data["sing_x1"], data["pair_x1"], data["pair_x2"]]).astype(np.float32)
    pair = [f"pair_{i + 1}" for i in range(n_pair)]
    of_pair = {"tissue": "pair_tid", "dose": "pair_conc", "duration": "pair_dur"}
    columns = {
        "cell_line": [*data["sing_cid"], *data["pair_cid"], *data["pair_cid"]],
        "state": ["before"] * (n_single + n_pair) + ["after"] * n_pair,
        "drug": [""] * (n_single + n_pair) + list(data["pair_drug"]),
        "pair": [""] * n_single + pair * 2,
    }
    for name, key in of_pair.items():
        if key in data:
            columns[name] = [np.nan] * n_single + list(data[key]) * 2
    names = [f"single_{i + 1}" for i in range(n_single)]
    names += [f"{name}_{state}" for state in ("before", "after") for name in pair]
    genes = data.get("genes", [f"gene_{i + 1}" for i in range(x_ng.shape[1])])
    adata = AnnData(
        x_ng, obs=pd.DataFrame(columns, index=names), var=pd.DataFrame(index=list(genes))
    )
    record(adata, reading={"source": path.name, "notes": ["HDF5 in the layout of Dr.VAE's data"]})
    return adata, _responses(data)


def _check(data: dict[str, Any], path: Path) -> None:
    for key in (*SINGLE, *PAIR, DRUGS):
        if key not in data:
            raise DataError(f"{path}: no {key!r}; Dr.VAE's layout has sing_*, pair_* and drug_*")
    if data["pair_x1"].shape != data["pair_x2"].shape:
        raise DataError(
            f"{path}: pair_x1 is {data['pair_x1'].shape} and pair_x2 {data['pair_x2'].shape}; the "
            "halves of the pairs do not match"
        )
    if data["sing_x1"].shape[1] != data["pair_x1"].shape[1]:
        raise DataError(
            f"{path}: sing_x1 has {data['sing_x1'].shape[1]} genes and pair_x1 "
            f"{data['pair_x1'].shape[1]}"
        )
    for key, values in data.items():
        part = key.split("_")[0]
        n = {"sing": len(data["sing_x1"]), "pair": len(data["pair_x1"])}.get(part, len(values))
        if len(values) != n:
            raise DataError(f"{path}: {key} has {len(values)} rows where {part}_x1 has {n}")


def _responses(data: dict[str, Any]) -> pd.DataFrame:
    """Known binary responses, one row per cell line and drug."""
    tables = []
    if "sing_y" in data:
        y_nd = np.asarray(data["sing_y"], dtype=float).reshape(len(data["sing_x1"]), -1)
        wide = pd.DataFrame(y_nd, index=data["sing_cid"], columns=list(data[DRUGS]))
        long = wide.rename_axis("cell_line").reset_index()
        tables.append(long.melt("cell_line", var_name="drug", value_name="response"))
    if "pair_y" in data:
        pairs = {"cell_line": data["pair_cid"], "drug": data["pair_drug"]}
        tables.append(pd.DataFrame(pairs | {"response": np.asarray(data["pair_y"], dtype=float)}))
    if not tables:
        return pd.DataFrame(columns=["cell_line", "drug", "response"])
    table = pd.concat(tables, ignore_index=True)
    return table[table["response"] != UNLABELLED].dropna().drop_duplicates(["cell_line", "drug"])


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Text as text; HDF5 gives it back as bytes."""
    if values.dtype.kind not in "SO":
        return values
    text = [v.decode() if isinstance(v, bytes) else str(v) for v in values.ravel()]
    return np.array(text, dtype=object).reshape(values.shape)
