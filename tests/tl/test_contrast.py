"""Latent arithmetic on real samples: what moves, what stays, and how near it comes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad

from tybalt_like import pp, tl
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets
from tybalt_like.models import Training

BRIEF = Training(epochs=60)
BASAL, LUMINAL = "Basal-like", ("Luminal A", "Luminal B")


@pytest.fixture(scope="module")
def breast() -> AnnData:
    adata = datasets.load("tcga_brca")[:, :150]
    adata = adata[np.arange(adata.n_obs) % 2 == 0].copy()
    pp.split(adata, label="pam50", calibration=0)
    return adata


@pytest.fixture(scope="module")
def model(breast):
    return tl.fit(breast, model="pca", latent_dim=10)


def contrast(adata, model, groups=(BASAL, LUMINAL), **options):
    return tl.contrast(adata, model, column="pam50", groups=groups, **options)


def test_moving_by_nothing_reconstructs_and_moving_back_returns(breast, model) -> None:
    along = contrast(breast, model)
    rebuilt = tl.move(breast, model, along, amount=0)
    np.testing.assert_allclose(rebuilt.X, breast.layers["pca_reconstruction"], atol=1e-4)
    moved = tl.move(breast, model, along, amount=1.5)
    back = tl.move(moved, model, along, amount=-1.5)
    np.testing.assert_allclose(back.X, rebuilt.X, atol=1e-3)
    shift_g = (moved.X - rebuilt.X).mean(0)
    change_g = along.genes.set_index("gene")["model_change"][breast.var_names]
    np.testing.assert_allclose(shift_g, 1.5 * change_g, atol=1e-3)
    assert list(moved.obs["pam50"]) == list(breast.obs["pam50"])


def test_a_contrast_is_minus_its_reverse(breast, model) -> None:
    there, back = contrast(breast, model), contrast(breast, model, (LUMINAL, BASAL))
    np.testing.assert_allclose(there.vector_k, -back.vector_k, atol=1e-6)
    one, other = (c.genes.set_index("gene").sort_index() for c in (there, back))
    for column in ("model_change", "mean_change", "measured_change"):
        np.testing.assert_allclose(one[column], -other[column], atol=1e-5)
    np.testing.assert_allclose(one["measured_low"], -other["measured_high"], atol=1e-5)
    assert list(there.agreement["rule"]) == ["pca", "mean difference"]
    pd.testing.assert_frame_equal(
        there.agreement.drop(columns=["n_first", "n_second"]),
        back.agreement.drop(columns=["n_first", "n_second"]),
        rtol=1e-4,
    )


def test_full_rank_pca_says_what_the_means_say(breast) -> None:
    genes = breast[:, :60].copy()  # fewer than training samples
    whole = tl.fit(genes, model="pca", latent_dim=60)
    table = contrast(genes, whole).genes
    np.testing.assert_allclose(table["model_change"], table["mean_change"], atol=1e-4)
    train = genes[genes.obs["tybalt_split"] == "train"]
    basal_n, luminal_n = train.obs["pam50"] == BASAL, train.obs["pam50"].isin(LUMINAL)
    expected_g = train.X[basal_n].mean(0) - train.X[luminal_n].mean(0)
    found_g = table.set_index("gene")["mean_change"][genes.var_names]
    np.testing.assert_allclose(found_g, expected_g, atol=1e-4)


def test_subtracting_what_both_share_leaves_the_rest(breast, model) -> None:
    """(A - B) - (C - B) is A - C: vector, measured change, and its interval."""
    a, b, c = "Basal-like", "Luminal A", "Luminal B"
    both = contrast(breast, model, (a, b), minus=(c, b))
    alone = contrast(breast, model, (a, c))
    assert both.name == f"({a} - {b}) - ({c} - {b})"
    np.testing.assert_allclose(both.vector_k, alone.vector_k, atol=1e-5)
    one, other = (x.genes.set_index("gene").sort_index() for x in (both, alone))
    for column in ("model_change", "measured_change", "measured_low", "measured_high"):
        np.testing.assert_allclose(one[column], other[column], atol=1e-4)


def test_what_carries_the_difference_comes_first(breast, model) -> None:
    found = contrast(breast, model)
    first = found.features.iloc[0]
    moved_k = np.abs(found.vector_k)  # axes of PCA are orthonormal
    assert first["feature"] == f"pca_{moved_k.argmax() + 1}"
    assert first["gene_change"] == pytest.approx(moved_k.max() / np.sqrt(breast.n_vars), rel=1e-4)
    inside = found.features["difference"].between(found.features["low"], found.features["high"])
    assert inside.mean() > 0.6
    assert found.agreement["ceiling"].iloc[0] <= 1


def test_groups_at_random_show_no_difference_to_judge_by(breast, model) -> None:
    drawn = breast.copy()
    drawn.obs["coin"] = np.random.default_rng(3).permutation(np.arange(drawn.n_obs) % 2).astype(str)
    found = tl.contrast(drawn, model, column="coin", groups=("0", "1"))
    assert abs(found.agreement["correlation"].iloc[0]) < 0.6
    assert found.agreement["r2"].iloc[0] < 0.2
    assert (found.genes["mean_verdict"] == "agrees").all()


def test_bad_questions_get_one_sentence(breast, model) -> None:
    with pytest.raises(DataError, match="on both sides"):
        contrast(breast, model, (BASAL, [BASAL, "Luminal A"]))
    with pytest.raises(DataError, match="no sample has pam50 = 'Basel'"):
        contrast(breast, model, ("Basel", "Luminal A"))
    few = breast[(breast.obs["pam50"] != "Normal-like") | (breast.obs["tybalt_split"] != "test")]
    with pytest.raises(DataError, match=r"first group has 0 held-out .* at least 5"):
        contrast(few.copy(), model, ("Normal-like", "Luminal A"))
    with pytest.raises(DataError, match="10 features"):
        tl.move(breast, model, np.ones(3))
    with pytest.raises(DataError, match="a contrast of the model 'ica'"):
        tl.move(breast, model, replace(contrast(breast, model), model="ica"))
    with pytest.raises(DataError, match="no sample 'nobody'"):
        tl.interpolate(breast, model, ends=("nobody", breast.obs_names[0]))


def test_the_way_between_groups_starts_and_ends_at_their_means(breast, model) -> None:
    way = tl.interpolate(breast, model, ends=("Luminal A", BASAL), column="pam50", n_steps=5)
    train = breast[breast.obs["tybalt_split"] == "train"]
    for end, label in ((0, "Luminal A"), (-1, BASAL)):
        rows = (train.obs["pam50"] == label).to_numpy()
        expected_g = train.layers["pca_reconstruction"][rows].mean(0)
        np.testing.assert_allclose(way.profile_tg.iloc[end], expected_g, atol=1e-4)
    np.testing.assert_allclose(way.genes["halfway"], 0.5, atol=1e-6)
    np.testing.assert_allclose(way.genes["detour"], 0, atol=1e-6)
    one, other = train.obs_names[:2]
    between = tl.interpolate(breast, model, ends=(one, other), n_steps=3)
    assert list(between.steps["nearest"][[0, 2]]) == [one, other]
    np.testing.assert_allclose(between.steps["distance"][[0, 2]], 0, atol=1e-5)


def test_a_way_through_nowhere_is_said_to_leave_the_data() -> None:
    rng = np.random.default_rng(0)
    x_ng = rng.normal(size=(100, 20)).astype(np.float32)
    x_ng[50:] += 12
    obs = pd.DataFrame({"side": np.repeat(["a", "b"], 50)}, index=[f"s{i}" for i in range(100)])
    adata = AnnData(x_ng, obs=obs)
    pp.split(adata, label="side", calibration=0)
    fitted = tl.fit(adata, model="pca", latent_dim=5)
    steps = tl.interpolate(adata, fitted, ends=("a", "b"), column="side").steps
    assert not steps["beyond"].iloc[[0, -1]].any()
    assert steps["beyond"].iloc[3:8].all()


def test_counts_keep_their_library_and_cell_types_are_judged_apart(shared_data) -> None:
    adata = read_h5ad(shared_data / "kang_ifnb" / "kang_ifnb.h5ad")
    adata.X = adata.X.toarray().astype(np.float32)
    adata = adata[:, np.argsort(-adata.X.mean(0))[:200]].copy()
    held_n = (adata.obs["cluster_id"] == "B cells") & (adata.obs["group_id"] == "stim")
    pp.split(adata, label="cluster_id", calibration=0, held_out=held_n.to_numpy())
    fitted = tl.fit(adata, model="nb_autoencoder", latent_dim=10)
    found = tl.contrast(
        adata, fitted, column="group_id", groups=("stim", "ctrl"), within="cluster_id"
    )
    table = found.agreement.set_index(["level", "rule"])
    assert table.loc[("all", "nb_autoencoder"), "correlation"] > 0.9
    assert table.loc[("B cells", "nb_autoencoder"), "correlation"] > 0.6
    assert ("B cells", "mean difference of the level") not in table.index  # never seen treated
    assert ("CD4 T cells", "mean difference of the level") in table.index
    still = tl.move(adata, fitted, found, amount=0)
    np.testing.assert_allclose(still.X, adata.layers["nb_autoencoder_reconstruction"], rtol=1e-4)
    assert {"ISG15", "IFI6"} <= set(found.genes["gene"].head(10))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ppca_vae", "beta_vae"])
def test_high_doses_move_new_experiments_as_measured(shared_data, name) -> None:
    adata = read_h5ad(shared_data / "tggates_hepatocyte" / "tggates_hepatocyte.h5ad")
    late_n = adata.obs["duration"].astype(str).isin(["24", "24.0"])
    adata = adata[late_n & adata.obs["dose_level"].isin(["Control", "High"])].copy()
    pp.split(adata, label="dose_level", calibration=0, group="exp_id", seed=1)
    fitted = tl.fit(adata, model=name, latent_dim=30, training=BRIEF)
    table = tl.contrast(adata, fitted, column="dose_level", groups=("High", "Control")).agreement
    table = table.set_index("rule")
    assert table.loc[name, "correlation"] > 0.9
    assert table.loc[name, "ceiling"] > table.loc[name, "correlation"]
