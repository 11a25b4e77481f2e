"""Synthetic cohorts: as variable as real ones, honest about fidelity, and copies are caught."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad

from tybalt_like import pp, tl
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded
from tybalt_like.interpretation import fidelity, privacy
from tybalt_like.interpretation.synthetic import counts, dispersion
from tybalt_like.io import datasets


@pytest.fixture(scope="module")
def breast() -> AnnData:
    adata = datasets.load("tcga_brca")[:, :100].copy()
    pp.split(adata, label="pam50", calibration=0)
    return adata


@pytest.fixture(scope="module")
def model(breast):
    return tl.fit(breast, model="pca", latent_dim=8)


def train_of(adata) -> AnnData:
    return adata[adata.obs["tybalt_split"] == "train"]


def test_codes_keep_their_covariance_and_noise_restores_the_variance(breast, model) -> None:
    made = tl.synthesise(breast, model, n=20_000)
    train = train_of(breast)
    expected_kk, found_kk = (np.cov(a.obsm["X_pca"].T) for a in (train, made))
    scale_k = np.sqrt(np.diag(expected_kk))
    np.testing.assert_allclose(
        found_kk / np.outer(scale_k, scale_k), expected_kk / np.outer(scale_k, scale_k), atol=0.05
    )
    np.testing.assert_allclose(made.X.std(0), train.X.std(0), rtol=0.03)
    np.testing.assert_allclose(made.X.mean(0), train.X.mean(0), atol=0.15)
    bare = tl.synthesise(breast, model, n=2000, noise=False)
    decoded_sd_g = train.layers["pca_reconstruction"].std(0)
    assert (bare.X.std(0) < 0.97 * train.X.std(0)).mean() > 0.9
    np.testing.assert_allclose(bare.X.std(0), decoded_sd_g, rtol=0.12)
    assert recorded(made)["synthetic"]["how"] == "posterior"
    again = tl.synthesise(breast, model, n=20_000)
    np.testing.assert_array_equal(made.X, again.X)


def test_classes_come_in_their_proportions_and_teach_a_classifier(breast, model) -> None:
    kept = breast[breast.obs["pam50"].isin(["Luminal A", "Basal-like"])].copy()
    made = tl.synthesise(kept, model, n=400, how="class", column="pam50")
    share = (train_of(kept).obs["pam50"] == "Basal-like").mean()
    assert (made.obs["pam50"] == "Basal-like").mean() == pytest.approx(share, abs=0.06)
    report = tl.judge_synthetic(kept, made)
    table = report.classes.set_index("source")
    assert list(table.index) == ["training samples", "pca", "multivariate normal"]
    assert table.loc["pca", "balanced_accuracy"] > 0.9
    assert table.loc["training samples", "behind"] == 0
    apart = report.fidelity.set_index(["source", "measure"])["value"]
    assert apart["training samples", "auroc linear"] == pytest.approx(0.5, abs=0.12)
    assert apart["pca", "sd ratio"] == pytest.approx(1, abs=0.15)


def test_copies_are_caught_and_strangers_are_not(breast) -> None:
    """Of real samples that took no part, none is nearer to training samples than others are."""
    x_ng = np.asarray(breast.X, dtype=np.float64)
    order = np.random.default_rng(0).permutation(len(x_ng))
    train_ng, test_ng, fresh_ng = x_ng[order[:300]], x_ng[order[300:450]], x_ng[order[450:]]
    made = {"copies": train_ng[:280], "fresh": fresh_ng}
    found = privacy(made, train_ng=train_ng, test_ng=test_ng).set_index(["source", "measure"])
    for where in ("genes", "components"):
        copies = found.loc[("copies", f"membership auroc {where}")]
        assert copies["low"] > 0.9
        fresh = found.loc[("fresh", f"membership auroc {where}")]
        assert fresh["low"] < 0.5 < fresh["high"]
    assert found.loc[("copies", "near share"), "value"] == 1
    assert (
        found.loc[("fresh", "near share"), "high"]
        > 0.05
        > found.loc[("fresh", "near share"), "low"]
    )
    control = found.loc[("noisy copies of training samples", "membership auroc genes")]
    assert control["low"] > 0.9


def test_membership_intervals_hold_where_nothing_is_given_away() -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(60):
        x_ng = rng.normal(size=(160, 15)) @ rng.normal(size=(15, 15))
        table = privacy({"none": x_ng[:60]}, train_ng=x_ng[60:120], test_ng=x_ng[120:])
        row = table[table["measure"] == "membership auroc genes"].iloc[0]
        missed += not row["low"] <= 0.5 <= row["high"]
    assert missed <= 60 * 0.05 + 2 * np.sqrt(60 * 0.05 * 0.95)


def test_what_is_wrong_with_samples_is_told() -> None:
    """Wrong variances deceive a linear classifier, not trees; wrong correlations are measured."""
    rng = np.random.default_rng(2)
    mix_kg = rng.normal(size=(4, 30))

    def drawn(n: int) -> np.ndarray:
        return rng.normal(size=(n, 4)) @ mix_kg + rng.normal(size=(n, 30))

    train_ng, test_ng, wide_ng = drawn(200), drawn(150), 2 * drawn(200)
    apart_ng = rng.permuted(drawn(200), axis=0)  # every gene on its own
    made = {"right": drawn(200), "wide": wide_ng, "uncorrelated": apart_ng}
    found = fidelity(made, train_ng=train_ng, test_ng=test_ng)
    value = found.set_index(["source", "measure"])["value"]
    for source in ("right", "training samples"):
        assert value[source, "correlation agreement"] > 0.9
    assert value["wide", "auroc linear"] < 0.65
    assert value["wide", "auroc trees"] > 0.8
    assert value["wide", "sd ratio"] == pytest.approx(2, rel=0.15)
    assert value["uncorrelated", "correlation agreement"] < 0.3
    assert value["uncorrelated", "auroc trees"] > 0.8


def test_intervals_hold_where_nothing_tells_real_from_synthetic() -> None:
    rng = np.random.default_rng(5)
    mix_gg, missed = rng.normal(size=(8, 8)), 0
    for seed in range(30):
        made_ng, train_ng, test_ng = (rng.normal(size=(n, 8)) @ mix_gg for n in (90, 90, 40))
        table = fidelity({"right": made_ng}, train_ng=train_ng, test_ng=test_ng, seed=seed)
        rows = table[table["measure"].str.startswith("auroc")]
        missed += (~((rows["low"] <= 0.5) & (rows["high"] >= 0.5))).sum()
    assert missed <= 120 * 0.05 + 2 * np.sqrt(120 * 0.05 * 0.95)


def test_counts_are_negative_binomial(shared_data) -> None:
    rng = np.random.default_rng(3)
    mean_ng = rng.uniform(5, 200, size=(4000, 3))
    theta_g = np.array([0.5, 5.0, 1e5])
    drawn_ng = counts(mean_ng, theta_g, rng)
    np.testing.assert_allclose(dispersion(drawn_ng, mean_ng)[:2], theta_g[:2], rtol=0.15)
    assert dispersion(drawn_ng, mean_ng)[2] > 500
    adata = read_h5ad(shared_data / "kang_ifnb" / "kang_ifnb.h5ad")
    adata = adata[:, np.argsort(-np.asarray(adata.X.mean(0)).ravel())[:100]].copy()
    adata.X = adata.X.toarray().astype(np.float32)
    pp.split(adata, calibration=0)
    fitted = tl.fit(adata, model="nb_autoencoder", latent_dim=8)
    made = tl.synthesise(adata, fitted, n=1000, how="class", column="cluster_id")
    np.testing.assert_array_equal(made.X, made.X.round())
    assert (made.X >= 0).all()
    train = train_of(adata)
    assert np.median(made.X.std(0) / train.X.std(0)) == pytest.approx(1, abs=0.2)
    np.testing.assert_allclose(np.median(made.X.sum(1)), np.median(train.X.sum(1)), rtol=0.2)
    report = tl.judge_synthetic(adata, made)
    assert report.fidelity["value"].notna().all()


def test_what_cannot_be_drawn_is_said(breast, model) -> None:
    with pytest.raises(DataError, match="'pca' has no prior"):
        tl.synthesise(breast, model, n=5, how="prior")
    with pytest.raises(DataError, match="needs the column"):
        tl.synthesise(breast, model, n=5, how="class")
    few = breast.copy()
    few.obs["rare"] = np.where(np.arange(few.n_obs) < 4, "rare", "common")
    with pytest.raises(DataError, match=r"'rare' has . training samples; 10 are needed"):
        tl.synthesise(few, model, n=5, how="class", column="rare")
    with pytest.raises(DataError, match="pca: 5 are too few"):
        tl.judge_synthetic(breast, tl.synthesise(breast, model, n=5))
    with pytest.raises(DataError, match="not made by"):
        tl.judge_synthetic(breast, breast)


def test_models_with_a_prior_and_a_range_stay_in_both() -> None:
    rng = np.random.default_rng(4)
    adata = AnnData(
        rng.random((80, 12)).astype(np.float32),
        obs=pd.DataFrame(index=[f"s{i}" for i in range(80)]),
    )
    pp.split(adata, calibration=0)
    from tybalt_like.models import Training

    brief = Training(epochs=3)
    fitted = tl.fit(adata, model="tybalt", latent_dim=3, training=brief)
    made = tl.synthesise(adata, fitted, n=4000, how="prior")
    codes_nk = made.obsm["X_tybalt"]
    np.testing.assert_allclose(codes_nk.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(codes_nk.T), np.eye(3), atol=0.1)
    assert made.X.min() >= 0
    assert made.X.max() <= 1
    gan = tl.fit(adata, model="f_anogan", latent_dim=3, hidden_dims=(8,), training=brief)
    assert np.isfinite(tl.synthesise(adata, gan, n=30, how="prior").X).all()
