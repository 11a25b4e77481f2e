"""Batches are measured, and removed without inventing anything."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import tybalt_like as ty
from tybalt_like import pp
from tybalt_like.core.errors import DataError


def two_batches(shift: float) -> AnnData:
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"batch": ["a", "b"] * 50, "sex": ["f", "f", "m", "m"] * 25},
        index=[f"S{i}" for i in range(100)],
    )
    x = rng.normal(8, 1, (100, 40)).astype(np.float32)
    x[obs["batch"] == "b"] += shift
    x[obs["sex"] == "m", :5] += 3
    return AnnData(x, obs=obs)


def test_purity_is_one_for_separate_and_as_expected_for_mixed_batches():
    apart = pp.batch_purity(two_batches(50), batch="batch")
    assert apart.observed == 1
    assert apart.expected == pytest.approx(49 / 99)
    mixed = pp.batch_purity(two_batches(0), batch="batch")
    assert mixed.observed == pytest.approx(mixed.expected, abs=0.06)


def test_purity_needs_two_batches():
    with pytest.raises(DataError, match="one batch only"):
        pp.batch_purity(two_batches(0)[::2].copy(), batch="batch")


def test_centring_lowers_the_purity_of_real_batches(shared_data):
    adata = ty.read(shared_data / "bladder_batch" / "bladder_batch.h5ad")
    purity = {}
    for column in (None, "batch"):
        settings = pp.Normalisation(scale="zscore", centre_by=column)
        result = pp.Normaliser.fit(adata, settings, train=np.arange(57)).transform(adata)
        purity[column] = pp.batch_purity(result, batch="batch")
    assert purity[None].observed > purity[None].expected + 0.1
    assert purity["batch"].observed < purity["batch"].expected


def test_combat_removes_batches_and_keeps_covariates():
    pytest.importorskip("scanpy", reason="ComBat is scanpy's: pip install 'tybalt-like[scanpy]'")
    adata = two_batches(2)
    before = adata.X.copy()
    assert pp.batch_purity(pp.combat(adata, batch="batch"), batch="batch").observed < 0.6
    result = pp.combat(adata, batch="batch", covariates=["sex"])
    np.testing.assert_array_equal(adata.X, before)
    male = (adata.obs["sex"] == "m").to_numpy()
    second = (adata.obs["batch"] == "b").to_numpy()
    difference = result.X[second].mean(0) - result.X[~second].mean(0)
    assert np.abs(difference).max() < 0.4  # was 2
    kept = result.X[male, :5].mean() - result.X[~male, :5].mean()
    assert kept == pytest.approx(3, abs=0.2)


def test_combat_refuses_what_it_cannot_tell_apart():
    pytest.importorskip("scanpy", reason="ComBat is scanpy's: pip install 'tybalt-like[scanpy]'")
    adata = two_batches(2)
    adata.obs["same"] = adata.obs["batch"].map({"a": "x", "b": "y"})
    with pytest.raises(DataError, match="cannot be told apart"):
        pp.combat(adata, batch="batch", covariates=["same"])
    with pytest.raises(DataError, match="cannot be a covariate as well"):
        pp.combat(adata, batch="batch", covariates=["batch"])
    adata.obs["lonely"] = ["z", *["a"] * 99]
    with pytest.raises(DataError, match=r"z \(1\)"):
        pp.combat(adata, batch="lonely")


def test_dispersion_needs_counts_and_prefers_true_variation():
    pytest.importorskip("skmisc", reason="needs pip install 'tybalt-like[scanpy]'")
    pytest.importorskip("scanpy", reason="needs pip install 'tybalt-like[scanpy]'")
    rng = np.random.default_rng(0)
    mean_g = np.exp(rng.uniform(0, 6, 400))
    x = rng.poisson(mean_g, (200, 400)).astype(np.float32)
    x[:100, ::40] *= 4
    settings = pp.Normalisation(select="dispersion", n_genes=10)
    normaliser = pp.Normaliser.fit(AnnData(x), settings, train=range(200))
    assert set(normaliser.genes) == {str(i) for i in range(0, 400, 40)}
    with pytest.raises(DataError, match="needs counts"):
        pp.Normaliser.fit(AnnData(np.log2(x + 1)), settings, train=range(200))
