"""What is trained, encoded and scored from a file is what comes of the same matrix in memory."""

import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from tybalt_like import pp, tl
from tybalt_like.core.errors import DataError
from tybalt_like.models import Model, Training
from tybalt_like.tl import stored as module
from tybalt_like.training import rows

N, GENES = 600, 40
AT_ONCE = 50
"""Rows that are read at once, at most."""
QUICK = Training(epochs=3, patience=None)


@pytest.fixture
def adata() -> AnnData:
    """0 to 1, of low rank; a tenth of the samples is strange in a few genes."""
    rng = np.random.default_rng(0)
    x_ng = rng.normal(size=(N, 4)) @ rng.normal(size=(4, GENES)) + 0.3 * rng.normal(size=(N, GENES))
    strange_n = np.arange(N) % 10 == 0
    x_ng[strange_n, :5] += 3
    x_ng = 1 / (1 + np.exp(-x_ng))
    obs = pd.DataFrame({"kind": np.where(strange_n, "strange", "usual")}, index=map(str, range(N)))
    adata = AnnData(x_ng.astype(np.float32), obs=obs)
    adata.var_names = [f"gene{i}" for i in range(GENES)]
    pp.split(adata, label="kind", normal=["usual"])
    return adata


@pytest.fixture
def files(adata, tmp_path) -> dict[str, Path]:
    """The zarr one in blocks no larger than what is read at once."""
    paths = {kind: tmp_path / kind for kind in ("dense.h5ad", "sparse.h5ad", "x.zarr")}
    adata.write_h5ad(paths["dense.h5ad"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata's choice of a zarr version
        adata.write_zarr(paths["x.zarr"], chunks=(10, GENES))
    adata.X = sparse.csr_matrix(adata.X)
    adata.write_h5ad(paths["sparse.h5ad"])
    adata.X = adata.X.toarray()
    return paths


@pytest.fixture(autouse=True)
def little_room(monkeypatch) -> None:
    """Several windows, several parts, several readings of each, and a coreset that does not hold
    all."""
    monkeypatch.setattr(rows, "WINDOW", 150 * GENES)
    for reader in (pp.matrix, pp.out_of_core):
        monkeypatch.setattr(reader, "BLOCK", 10 * GENES)
    monkeypatch.setattr(pp.matrix, "SLAB", 8 * AT_ONCE * GENES)
    monkeypatch.setattr(module, "PART", 100 * GENES)


def test_every_kind_of_file_gives_the_same_model_latents_and_scores(files, adata) -> None:
    found = {}
    for kind, path in files.items():
        backed = pp.open_backed(path)
        model = tl.fit(backed, model="tybalt", latent_dim=5, training=QUICK, progress=False)
        tl.score(backed, model=model)
        assert not backed.layers  # nothing as large as the matrix is kept
        found[kind] = model.state_dict(), backed.obsm["X_tybalt"], backed.obs
    weights, z_nk, obs = found.pop("dense.h5ad")
    for other, other_nk, other_obs in found.values():
        assert all((value == other[key]).all() for key, value in weights.items())
        np.testing.assert_array_equal(z_nk, other_nk)
        pd.testing.assert_frame_equal(obs, other_obs)
    tl.latent(adata, model)
    np.testing.assert_allclose(adata.obsm["X_tybalt"], z_nk, rtol=1e-5, atol=1e-6)


def test_calibration_samples_that_lie_apart_are_read_some_at_a_time(files, monkeypatch) -> None:
    backed, read = pp.open_backed(files["dense.h5ad"]), list[int]()
    usual = h5py.Dataset.__getitem__

    def watched(dataset: h5py.Dataset, *key: object) -> object:
        found = usual(dataset, *key)
        if np.shape(found)[1:] == (GENES,):
            read.append(len(found))
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    tl.score(backed, model=tl.fit(backed, model="pca", latent_dim=5))
    assert sum(read) > N // 2
    assert max(read) <= AT_ONCE


def test_scores_are_those_of_the_matrix_in_memory(files, adata) -> None:
    backed = pp.open_backed(files["dense.h5ad"])
    model = tl.fit(adata, model="pca", latent_dim=4)
    for each in (adata, backed):
        tl.score(each, model=model)
    columns = [name for name in adata.obs if name.startswith("pca_")]
    assert len(columns) > 10
    for name in columns:
        one, other = (each.obs[name].astype(float) for each in (adata, backed))
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7, err_msg=name)
    strange = backed.obs["kind"] == "strange"
    assert backed.obs.loc[strange, "pca_flagged"].mean() > 0.5


def test_a_coreset_still_finds_what_is_strange_and_scores_all(files, monkeypatch) -> None:
    monkeypatch.setattr(module, "CORESET", 60 * GENES)
    backed = pp.open_backed(files["dense.h5ad"])
    model = tl.fit(backed, model="pca", latent_dim=4)
    detector = tl.score(backed, model=model)
    assert len(detector.views.views["knn"].train_mk) == 60
    assert detector.calibration.m == (backed.obs["tybalt_split"] == "calibration").sum()
    assert backed.obs["pca_combined"].notna().all()
    p_n = backed.obs["pca_p_value"]
    assert p_n[backed.obs["kind"] == "strange"].median() < 0.02
    test_n = backed.obs["tybalt_split"] == "test"
    assert 0.3 < p_n[test_n].mean() < 0.7


def test_bad_values_are_named_when_they_are_read(adata, tmp_path) -> None:
    adata.X[123, 7] = np.nan
    adata.write_h5ad(tmp_path / "x.h5ad")
    backed = pp.open_backed(tmp_path / "x.h5ad")
    with pytest.raises(DataError, match="sample 123, gene gene7: the value is missing"):
        tl.fit(backed, model="tybalt", latent_dim=5, training=QUICK, progress=False)
    backed = pp.open_backed(tmp_path / "x.h5ad")
    model = Model.create("tybalt", GENES, latent_dim=5)
    adata.X[123, 7] = 1.5
    adata.write_h5ad(tmp_path / "y.h5ad")
    with pytest.raises(DataError, match="values between 0 and 1"):
        tl.latent(pp.open_backed(tmp_path / "y.h5ad"), model)


def test_verbs_that_need_the_matrix_in_memory_say_so(files) -> None:
    backed = anndata.read_h5ad(files["dense.h5ad"], backed="r")
    model = tl.fit(backed, model="pca", latent_dim=4)
    with pytest.raises(DataError, match="needs it in memory"):
        tl.closest_normal(backed, model)
    with pytest.raises(DataError, match="give the model itself"):
        tl.score(backed, model="pca")


def test_from_counts_on_disk_to_scores_without_the_matrix_in_memory(tmp_path) -> None:
    rng = np.random.default_rng(0)
    program_ng = rng.normal(size=(N, 3)) @ rng.normal(size=(3, GENES))
    mean_ng = rng.gamma(2, 30, GENES) * rng.gamma(20, 0.05, (N, 1)) * np.exp(0.4 * program_ng)
    mean_ng[::10, :5] *= 20
    kind_n = np.where(np.arange(N) % 10 == 0, "strange", "usual")
    adata = AnnData(
        rng.poisson(mean_ng).astype(np.float32), obs=pd.DataFrame({"kind": kind_n}).rename(str)
    )
    adata.var_names = [f"gene{i}" for i in range(GENES)]
    adata.write_h5ad(tmp_path / "counts.h5ad")
    counts = pp.open_backed(tmp_path / "counts.h5ad")
    pp.split(counts, label="kind", normal=["usual"])
    settings = pp.Normalisation(n_genes=30, scale="zero_one")
    pp.Normaliser.fit(counts, settings).write(counts, tmp_path / "scaled.h5ad")
    scaled = pp.open_backed(tmp_path / "scaled.h5ad")
    assert scaled.X.chunks[0] == 10 * GENES // 30  # as much as is read at once
    assert not scaled.layers  # nor the counts, which are as large
    model = tl.fit(scaled, model="tybalt", latent_dim=5, training=QUICK, progress=False)
    tl.score(scaled, model=model)
    strange_n = scaled.obs["kind"] == "strange"
    p_n = scaled.obs["tybalt_p_value"]
    assert p_n[strange_n].median() < 0.05 < p_n[scaled.obs["tybalt_split"] == "test"].median()
