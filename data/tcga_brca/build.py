"""Make tcga_brca.h5ad from the source it was cut from, so that anyone can check it.

Usage: python build.py SOURCE.h5ad [OUT.h5ad]
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd

N_GENES = 2000
STEP = 2.0**-6


def build(source: Path, out: Path) -> None:
    """All samples, the genes of largest median absolute deviation, values rounded."""
    adata = anndata.read_h5ad(source)
    x_ng = adata.X.astype(np.float64)
    mad_g = np.median(np.abs(x_ng - np.median(x_ng, axis=0)), axis=0)
    chosen = np.sort(np.argsort(-mad_g, kind="stable")[:N_GENES])
    x_ng = x_ng[:, chosen]
    rounded_ng = np.round(x_ng / STEP) * STEP
    # exactly 0.0 means "not detected", so that no measured value may become 0.0
    lost = (rounded_ng == 0) & (x_ng != 0)
    rounded_ng[lost] = np.copysign(STEP, x_ng[lost])

    genes = adata.var.iloc[chosen]
    var = pd.DataFrame({"entrez_id": genes["entrez_id"].astype(str).to_numpy(dtype=object)})
    # A gene without a symbol is called by its Entrez id.
    symbols = genes["symbol"].astype(str).to_numpy(dtype=object)
    var.index = pd.Index(np.where(symbols == "unknown", var["entrez_id"], symbols), dtype=object)
    assert var.index.is_unique, "a symbol occurs twice"
    labels = anndata.AnnData(obs=adata.obs.drop(columns="pam50_code"), var=var)
    packed = {"compression": "gzip", "compression_opts": 9}
    with h5py.File(out, "w") as file:
        anndata.io.write_elem(file, "/", labels, dataset_kwargs=packed)
        for empty in file.keys() & {"X", "raw"}:
            del file[empty]
        packed |= {"shuffle": True, "chunks": (769, 200)}
        anndata.io.write_elem(file, "X", rounded_ng.astype(np.float32), dataset_kwargs=packed)
    detected = np.mean(rounded_ng != 0)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {rounded_ng.shape}, {out.stat().st_size} bytes, {1 - detected:.2%} not detected")
    print(f"sha256 {digest}")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "tcga_brca.h5ad"))
