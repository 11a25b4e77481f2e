"""A matrix larger than memory gives the same normalisation as one that fits."""

import subprocess
import sys
import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from tybalt_like import pp
from tybalt_like.core.errors import DataError


def counts() -> AnnData:
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.gamma(1, 20, 300) * rng.gamma(9, 1 / 9, (500, 1))).astype(np.float32)
    adata = AnnData(x, obs=pd.DataFrame({"kind": ["a", "b"] * 250}, index=map(str, range(500))))
    adata.var_names = [f"gene{i}" for i in range(300)]
    return adata


def stored(adata: AnnData, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata's choice of a zarr version
        (adata.write_zarr if path.suffix == ".zarr" else adata.write_h5ad)(path)
    return path


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize(
    "settings", [{}, {"library": "median_of_ratios", "quantile": True, "scale": "robust_z"}]
)
def test_on_disk_as_in_memory(suffix, kind, settings, tmp_path):
    adata = counts()
    train = np.arange(0, 500, 2)
    settings = pp.Normalisation(n_genes=100, select="median_ad", **settings)
    expected = pp.Normaliser.fit(adata, settings, train=train).transform(adata)
    adata.X = kind(adata.X)
    backed = pp.open_backed(stored(adata, tmp_path / f"in{suffix}"))
    # room for a tenth of the genes at a time
    normaliser = pp.Normaliser.fit(backed, settings, train=train, memory=250 * 30 * 4e-9)
    normaliser.write(backed, tmp_path / "out.h5ad")
    result = anndata.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_array_equal(result.X, expected.X)
    assert list(result.var_names) == list(expected.var_names)
    assert result.obs.astype(str).equals(expected.obs)
    kept = result.layers["counts"]
    assert sparse.issparse(kept) == (kind is sparse.csr_matrix)
    np.testing.assert_array_equal(
        kept.toarray() if sparse.issparse(kept) else kept, expected.layers["counts"]
    )
    assert pp.inspect(backed) == pp.inspect(counts())


def test_a_failed_write_leaves_the_old_file(tmp_path):
    adata = counts()
    normaliser = pp.Normaliser.fit(adata, train=np.arange(500))
    out = tmp_path / "out.h5ad"
    out.write_text("old")
    adata.X[499, 7] = np.nan
    with pytest.raises(DataError, match="gene gene7, sample 499"):
        normaliser.write(adata, out)
    assert out.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5ad"]


def test_other_files_are_refused(tmp_path):
    adata = counts()
    adata.X = sparse.csc_matrix(adata.X)
    with pytest.raises(DataError, match="stored by columns"):
        pp.open_backed(stored(adata, tmp_path / "columns.h5ad"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    for path in (tmp_path / "empty", tmp_path / "notes.txt", tmp_path / "absent.h5ad"):
        with pytest.raises(DataError, match="neither an h5ad file nor a zarr folder"):
            pp.open_backed(path)


MEASURE = """
import re, sys
import anndata.io, h5py, scipy.stats, numpy as np
from tybalt_like import io, pp
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
adata = pp.open_backed(sys.argv[1])
before = peak()
settings = pp.Normalisation(n_genes=1000, select="median_ad")
normaliser = pp.Normaliser.fit(adata, settings, train=np.arange(adata.n_obs), memory=0.04)
normaliser.write(adata, sys.argv[2])
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux' VmHWM")
def test_memory_stays_a_fraction_of_the_matrix(tmp_path):
    n, g = 5_000, 20_000
    adata = AnnData(
        obs=pd.DataFrame(index=map(str, range(n))), var=pd.DataFrame(index=map(str, range(g)))
    )
    adata.write_h5ad(tmp_path / "in.h5ad")
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        if "X" in file:
            del file["X"]
        matrix = file.create_dataset("X", (n, g), np.float32)
        matrix.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        block = rng.gamma(2, 2, (500, g)).astype(np.float32)
        for start in range(0, n, 500):
            matrix[start : start + 500] = np.roll(block, start, axis=1)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "in.h5ad", tmp_path / "out.h5ad"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 160e6 < n * g * 4 / 2
