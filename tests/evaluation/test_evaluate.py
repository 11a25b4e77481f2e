"""The whole report card, on the embedded cohort with small settings."""

import json

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from tybalt_like import pp, tl
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.evaluation import EvaluationReport
from tybalt_like.evaluation.comparison import comparisons, readable, summarise
from tybalt_like.io import datasets
from tybalt_like.models import Model, Training

SHORT = Training(epochs=25, batch_size=32, learning_rate=1e-3, patience=None)
ENCODERS = {"tybalt", "pca", "ica", "nmf", "genes", "permuted genes", "mean profile", "chance"}


def cohort(scale: str = "zero_one") -> AnnData:
    """Luminal tumours are the reference, and the two hospitals' slides took turns."""
    adata = datasets.load("tcga_brca")[::2, :300].copy()
    adata.obs = adata.obs[["pam50", "gender", "age_at_diagnosis"]].copy()
    adata.obs["hospital"] = ["a", "b"] * (adata.n_obs // 2) + ["a"] * (adata.n_obs % 2)
    pp.split(adata, label="pam50", normal=["Luminal A", "Luminal B"])
    train_n = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
    how = pp.Normalisation(n_genes=300, scale=scale)
    return pp.Normaliser.fit(adata, how, train=train_n).transform(adata)


@pytest.fixture(scope="module")
def adata() -> AnnData:
    return cohort()


@pytest.fixture(scope="module")
def model(adata) -> Model:
    return tl.fit(adata, model="tybalt", latent_dim=8, training=SHORT, device="cpu", kappa=0.1)


@pytest.fixture(scope="module")
def card(adata, model) -> EvaluationReport:
    return tl.evaluate(adata, model, training=SHORT, batch="hospital", device="cpu")


def quick(adata: AnnData, model: Model) -> EvaluationReport:
    return tl.evaluate(adata, model, seeds=1, baselines=("pca",), device="cpu")


def value(card: EvaluationReport, encoder: str, metric: str, column: str = "") -> float:
    table = card.table.set_index(["encoder", "metric", "column"])
    return float(table.loc[(encoder, metric, column), "value"])


def test_every_measurement_stands_beside_the_baselines(card) -> None:
    assert set(card.table["encoder"]) == ENCODERS
    for metric, missing in {
        "r2": {"genes", "chance"},
        "sample_pearson": {"genes", "chance"},
        "gene_spearman": {"genes", "chance", "mean profile"},
        "cka": {"genes", "chance", "mean profile", "permuted genes"},
        "svcca": {"genes", "chance", "mean profile", "permuted genes"},
        "linear_macro_f1": {"mean profile"},
        "knn_balanced_accuracy": {"mean profile"},
        "silhouette": {"mean profile", "chance"},
        "ari": {"mean profile", "chance"},
        "batch_purity": {"mean profile"},
    }.items():
        rows = card.table[card.table["metric"] == metric]
        assert set(rows["encoder"]) == ENCODERS - missing, metric
        assert rows["value"].notna().all()
    assert value(card, "tybalt", "loss") > 0
    assert set(card.table["column"]) == {"", "pam50", "hospital"}


def test_what_is_known_of_breast_tumours_comes_out(card) -> None:
    assert value(card, "pca", "r2") > value(card, "permuted genes", "r2") + 0.1
    assert value(card, "mean profile", "r2") == pytest.approx(0)
    assert value(card, "pca", "r2") == pytest.approx(value(card, "ica", "r2"), abs=1e-3)
    for encoder in ("tybalt", "pca", "genes"):
        assert value(card, encoder, "linear_balanced_accuracy", "pam50") > 0.45
        # Slides took turns: nothing can know where one comes from.
        assert abs(value(card, encoder, "batch_linear_balanced_accuracy", "hospital") - 0.5) < 0.12
        assert abs(value(card, encoder, "batch_purity", "hospital") - 0.5) < 0.12
    assert value(card, "pca", "cka") == pytest.approx(1)
    assert 0.2 < value(card, "tybalt", "cka") < 0.9999


def test_reconstruction_is_that_of_the_test_samples(card, adata, model) -> None:
    test_n = np.asarray(adata.obs[keys.SPLIT] == keys.TEST)
    assert list(card.samples.index.unique()) == list(adata.obs_names[test_n])
    x_ng = np.asarray(adata.X, dtype=np.float64)
    mean_g = x_ng[adata.obs[keys.SPLIT] == keys.TRAIN].mean(0)
    left_n = np.square(x_ng - adata.layers["tybalt_reconstruction"])[test_n].sum()
    expected = 1 - left_n / np.square(x_ng - mean_g)[test_n].sum()
    assert value(card, "tybalt", "r2") == pytest.approx(expected, rel=1e-5)
    genes = card.genes[card.genes["encoder"] == "tybalt"]
    assert value(card, "tybalt", "gene_r2") == pytest.approx(genes["r2"].median())
    assert list(card.features.index) == [f"tybalt_{i + 1}" for i in range(8)]
    assert value(card, "tybalt", "active_units") == card.features["active"].sum()
    assert model.config.latent_dim == 8


def test_the_users_data_stay_as_they_are(adata, model) -> None:
    before = adata.copy()
    quick(adata, model)
    assert set(adata.layers) == set(before.layers)
    assert set(adata.obsm) == set(before.obsm)
    assert list(adata.obs) == list(before.obs)
    assert adata.uns == before.uns
    np.testing.assert_array_equal(adata.X, before.X)


@pytest.mark.slow
def test_only_held_out_samples_are_judged(adata, model) -> None:
    card, changed = quick(adata, model), adata.copy()
    split = changed.obs[keys.SPLIT].to_numpy()
    learned_n = np.isin(split, [keys.TRAIN, keys.VALIDATION, keys.CALIBRATION])
    changed.obs["pam50"] = changed.obs["pam50"].astype(object)
    changed.obs.loc[learned_n, "pam50"] = "Basal-like"
    changed.X[np.isin(split, [keys.VALIDATION, keys.CALIBRATION])] = 0.5
    pd.testing.assert_frame_equal(quick(changed, model).table, card.table)
    for name in (keys.TEST, keys.QUERY):
        changed = adata.copy()
        changed.obs["pam50"] = changed.obs["pam50"].astype(object)
        rows = changed.obs.index[changed.obs[keys.SPLIT] == name]
        changed.obs.loc[rows[::2], "pam50"] = "Basal-like"
        assert not quick(changed, model).table.equals(card.table)


def test_same_card_twice(adata, model) -> None:
    first, second = (quick(adata, model) for _ in range(2))
    pd.testing.assert_frame_equal(first.table, second.table)


def test_verdict_goes_by_the_standard_errors() -> None:
    rows = [
        ("mine", "r2", "", 0.3, 0.01, -0.2, 0.01),
        ("pca", "r2", "", 0.5, 0.01, np.nan, np.nan),
        ("mine", "linear_balanced_accuracy", "type", 0.9, 0.02, 0.1, 0.03),
        ("mine", "knn_balanced_accuracy", "type", 0.8, 0.02, 0.05, 0.03),
        ("mine", "linear_balanced_accuracy", "side", 0.52, 0.03, 0.2, 0.03),
        ("permuted genes", "linear_balanced_accuracy", "type", 0.75, 0.02, -0.05, 0.03),
    ]
    rows += [("pca", "linear_balanced_accuracy", c, 0.5, 0.02, np.nan, np.nan) for c in ("type",)]
    for column in ("type", "side"):
        for metric in ("linear_balanced_accuracy", "knn_balanced_accuracy"):
            rows.append(("chance", metric, column, 0.5, np.nan, np.nan, np.nan))
    columns = ["encoder", "metric", "column", "value", "standard_error"]
    table = pd.DataFrame(rows, columns=[*columns, "minus_pca", "minus_pca_error"]).assign(n=40)
    assert readable(table) == ["type"]
    assert list(comparisons(table, model="mine")["side"]) == ["worse", "better", "level"]
    upshot, *rest = summarise(table, model="mine", title=str.upper)
    assert "MINE is better in 1, worse in 1 and level in 1 of 3 comparisons" in upshot
    assert "speaks for" not in upshot
    assert any("type (0.90, difference +0.100 ± 0.030)" in said for said in rest)
    assert any("Not counted" in said and "side" in said for said in rest)
    assert any("permuted genes" in said and "type" in said for said in rest)
    worse = table[table["metric"] == "r2"]
    assert "None of them speaks for mine over pca" in summarise(worse, model="mine")[0]
    assert summarise(table, model="pca") == []


@pytest.mark.slow
def test_scales_below_zero_and_counts_are_judged_too() -> None:
    adata = cohort(scale="zscore")
    mine = tl.fit(adata, model="beta_vae", latent_dim=5, training=SHORT, device="cpu")
    card = tl.evaluate(adata, mine, seeds=1, device="cpu")
    assert any("nmf sees each gene as its distance" in note for note in card.notes)
    assert value(card, "nmf", "r2") > 0.2
    rng = np.random.default_rng(0)
    rate_ng = np.exp(rng.normal(size=(120, 2)) @ rng.normal(size=(2, 40)) + 3)
    depth_n1 = np.exp(rng.normal(size=(120, 1)))
    counts = AnnData(rng.poisson(depth_n1 * rate_ng).astype(np.float32))
    pp.split(counts)
    mine = tl.fit(counts, model="count_vae", latent_dim=2, training=SHORT, device="cpu")
    card = tl.evaluate(counts, mine, seeds=1, baselines=("pca",), device="cpu")
    # Library sizes span two orders of magnitude and must not be what is reconstructed.
    assert value(card, "pca", "r2") > 0.5
    assert value(card, "mean profile", "r2") == pytest.approx(0)


def test_tiny_cohorts_get_a_short_card_that_says_why() -> None:
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"kind": ["a"] * 24}, index=[f"s{i}" for i in range(24)])
    adata = AnnData(rng.random((24, 12)).astype(np.float32), obs=obs)
    pp.split(adata)
    mine = tl.fit(adata, model="tybalt", latent_dim=30, training=SHORT, device="cpu")
    card = tl.evaluate(adata, mine, training=SHORT, device="cpu")
    assert card.table.empty
    assert card.genes.empty
    assert card.alarms == ()
    notes = " ".join(card.notes)
    assert f"{card.n_test} test samples are too few" in notes
    assert "no label column has two classes" in notes
    assert "nmf has" in notes


def test_collapse_is_found_in_a_real_model(adata) -> None:
    drowned = tl.fit(
        adata.copy(), model="beta_vae", latent_dim=6, beta=1e4, training=SHORT, device="cpu"
    )
    alarms = quick(adata, drowned).alarms
    assert any("Posterior collapse: 0 of 6" in alarm for alarm in alarms)
    assert any("the average only" in alarm for alarm in alarms)


@pytest.mark.slow
def test_conditional_models_are_trained_again_with_their_covariates(adata) -> None:
    mine = tl.fit(
        adata,
        model="conditional_tybalt",
        latent_dim=4,
        covariates=("hospital",),
        training=SHORT,
        device="cpu",
    )
    card = tl.evaluate(adata, mine, training=SHORT, baselines=("pca",), device="cpu")
    assert 0 < value(card, "conditional_tybalt", "cka") < 1


def test_unknown_batches_and_other_genes_are_refused(adata, model) -> None:
    with pytest.raises(DataError, match="no column 'centre'"):
        tl.evaluate(adata, model, batch="centre")
    with pytest.raises(DataError, match="300 genes, not 20"):
        tl.evaluate(adata[:, :20].copy(), model)


def test_tables_are_plain(card) -> None:
    json.loads(card.table.to_json())
    assert not card.table.duplicated(["encoder", "metric", "column"]).any()
    assert {"encoder", "r2", "pearson", "spearman", "mse"} <= set(card.genes)


def test_groups_of_the_division_stay_whole_in_the_probes() -> None:
    rng = np.random.default_rng(0)
    donor_n, label = np.repeat(np.arange(40), 8), rng.permutation(np.arange(40) % 2)
    obs = pd.DataFrame({"donor": donor_n, "label": np.where(label, "a", "b")[donor_n]}).astype(str)
    obs["lane"] = ["1", "2"] * 160
    x_ng = rng.normal(size=(40, 10))[donor_n] + 0.1 * rng.normal(size=(320, 10))
    adata = AnnData(x_ng.astype(np.float32), obs=obs.set_index(obs.index.astype(str)))
    accuracy = {}
    for group in (None, "donor"):
        pp.split(adata, train=0.3, calibration=0.1, group=group)
        mine = tl.fit(adata, model="pca", latent_dim=5)
        card = tl.evaluate(adata, mine, seeds=1, baselines=(), batch="donor")
        accuracy[group] = value(card, "pca", "knn_balanced_accuracy", "label")
        assert "lane" in set(card.table["column"])
    assert accuracy[None] > 0.8
    assert abs(accuracy["donor"] - 0.5) < 0.2
    # Donors themselves can only be told apart sample by sample.
    assert value(card, "pca", "batch_linear_balanced_accuracy", "donor") > 0.5
