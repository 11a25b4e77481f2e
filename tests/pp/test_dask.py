"""Workers of a dask cluster compute what one process does, to the last bit."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from tybalt_like import pp
from tybalt_like.core.errors import DataError
from tybalt_like.pp import cluster, matrix

distributed = pytest.importorskip("distributed", reason="pip install 'tybalt-like[dask]'")
N, GENES = 400, 90


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Two workers in processes of their own."""
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(processes=True, **how) as made:
        yield made.scheduler_address


@pytest.fixture
def adata(monkeypatch) -> AnnData:
    """Counts with gaps nowhere, in batches; read in several pieces."""
    monkeypatch.setattr(matrix, "CHUNK", 50 * GENES)
    rng = np.random.default_rng(0)
    x_ng = rng.poisson(rng.gamma(1, 20, GENES) * rng.gamma(9, 1 / 9, (N, 1)))
    obs = pd.DataFrame({"batch": ["a", "b"] * (N // 2)}, index=[f"S{i}" for i in range(N)])
    var = pd.DataFrame(index=[f"gene{i}" for i in range(GENES)])
    return AnnData(x_ng.astype(np.float32), obs=obs, var=var)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize(
    "settings", [{}, {"library": "tmm", "scale": "robust_z", "centre_by": "batch"}]
)
def test_two_workers_are_one_process(adata, scheduler, tmp_path, kind, settings) -> None:
    adata.X = kind(adata.X)
    adata.write_h5ad(tmp_path / "counts.h5ad")
    backed = pp.open_backed(tmp_path / "counts.h5ad")
    how = pp.Normalisation(n_genes=40, select="median_ad", **settings)
    made = {}
    with cluster.connected(scheduler) as client:
        for name, by in (("alone", None), ("shared", client)):
            assert pp.inspect(backed, client=by) == pp.inspect(adata)
            normaliser = pp.Normaliser.fit(
                backed, how, train=np.arange(0, N, 3), memory=1e-5, client=by
            )
            normaliser.save(tmp_path / f"{name}.json")
            normaliser.write(backed, tmp_path / f"{name}.h5ad", client=by)
            made[name] = anndata.read_h5ad(tmp_path / f"{name}.h5ad")
    alone, shared = made["alone"], made["shared"]
    assert (tmp_path / "alone.json").read_bytes() == (tmp_path / "shared.json").read_bytes()
    np.testing.assert_array_equal(alone.X, shared.X)
    assert (alone.layers["counts"] != shared.layers["counts"]).sum() == 0
    assert type(alone.layers["counts"]) is type(shared.layers["counts"])
    assert json.loads(alone.uns["tybalt_like"]) == json.loads(shared.uns["tybalt_like"])


def test_the_command_shares_its_work(adata, scheduler, command, tmp_path) -> None:
    adata.write_h5ad(tmp_path / "counts.h5ad")
    words = ["normalize", tmp_path / "counts.h5ad", "--quiet", "-o"]
    for out, more in (("alone.h5ad", []), ("shared.h5ad", ["--scheduler", scheduler])):
        done = command(*words, tmp_path / out, *more)
        assert done.returncode == 0, done.stderr
    alone, shared = (anndata.read_h5ad(tmp_path / f"{name}.h5ad") for name in ("alone", "shared"))
    np.testing.assert_array_equal(alone.X, shared.X)
    adata.X[7, 3] = np.nan
    adata.write_h5ad(tmp_path / "gaps.h5ad")
    words[1] = tmp_path / "gaps.h5ad"
    done = command(*words, tmp_path / "none.h5ad", "--scheduler", scheduler)
    assert done.returncode == 2
    assert "gene gene3, sample S7" in done.stderr
    assert not (tmp_path / "none.h5ad").exists()
    adata.to_df().T.to_csv(tmp_path / "counts.csv")
    done = command("normalize", tmp_path / "counts.csv", "-o", tmp_path / "x.h5ad", *more)
    assert done.returncode == 2
    assert "give an h5ad or zarr" in done.stderr


def test_nobody_answers(adata, command, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    adata.write_h5ad(tmp_path / "counts.h5ad")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        words = ["normalize", tmp_path / "counts.h5ad", "-o", tmp_path / "x.h5ad"]
        done = command(*words, "--quiet", "--scheduler", address)
    assert done.returncode == 2
    assert f"no dask scheduler answers at {address}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["counts.h5ad"]


def test_a_matrix_in_memory_is_not_shared(adata, scheduler) -> None:
    with cluster.connected(scheduler) as client, pytest.raises(DataError, match=r"pp\.open_backed"):
        pp.inspect(adata, client=client)
