"""The benchmark of detectors: its protocol, its rivals, what it allows to be said."""

import sys

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from tybalt_like import benchmark, cli
from tybalt_like.anomaly import View
from tybalt_like.benchmark.anomaly import measures
from tybalt_like.benchmark.baselines import BASELINES
from tybalt_like.benchmark.detectors import (
    DEFAULT,
    FOLDS,
    Scores,
    cross_fitted,
    of_model,
)
from tybalt_like.benchmark.division import Divided
from tybalt_like.benchmark.rows import read_rows
from tybalt_like.benchmark.verdicts import over_groups
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets


@pytest.fixture
def own_file(tmp_path):
    """Forty tumours of each of two subtypes, sixty genes."""
    adata = datasets.load("tcga_brca")
    kind = adata.obs["pam50"].astype(str)
    rows = [*np.flatnonzero(kind == "Luminal A")[:60], *np.flatnonzero(kind == "Basal-like")[:20]]
    adata = adata[rows, :60].to_memory()
    adata.obs = adata.obs[["pam50"]].astype(str)
    adata.write_h5ad(tmp_path / "my.h5ad")
    return tmp_path / "my.h5ad"


def call(*arguments: object, monkeypatch) -> int:
    monkeypatch.setattr(sys, "argv", ["tybalt-like", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_own_data_on_the_command_line(own_file, tmp_path, monkeypatch, capsys) -> None:
    rows_file = tmp_path / "rows.tsv.gz"
    options = ["benchmark", "anomaly", "--data", own_file, "--label", "pam50", "--seeds", 2]
    options += ["--detectors", DEFAULT, "--table", rows_file, "--quiet"]
    assert call(*options, "--normal", "Luminal A", monkeypatch=monkeypatch) == 2
    options += ["--normal", "Luminal A", "--anomaly", "Basal-like"]
    assert call(*options, monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert "my.h5ad -> Basal-like: 20 anomalies and 12 normal samples" in out
    assert "not distinguishable" in out
    assert "nan" not in out
    rows = read_rows(rows_file)
    assert {DEFAULT, *BASELINES} <= set(rows["detector"])
    assert all(seeds == [0, 1] for seeds in rows.groupby("detector")["seed"].apply(sorted))
    assert (rows["n_normal"] == 12).all()
    assert (rows["prevalence"] == 20 / 32).all()
    assert rows.loc[rows["detector"] == DEFAULT, "auroc"].min() > 0.8
    stamp = rows_file.stat().st_mtime_ns
    assert call(*options, monkeypatch=monkeypatch) == 0
    assert rows_file.stat().st_mtime_ns == stamp  # nothing is measured twice


def test_labels_that_do_not_exist_are_refused(own_file) -> None:
    with pytest.raises(DataError, match="no sample has pam50 = 'LumA'"):
        benchmark.of_file(str(own_file), label="pam50", normal=["LumA"], anomalies=["Basal-like"])


def divided(n_reference: int = 60, n_strange: int = 6, *, g: int = 30, seed: int = 0) -> Divided:
    """Normal profiles with correlated genes; anomalies are shifted."""
    rng = np.random.default_rng(seed)
    n = n_reference + n_strange
    x_ng = rng.normal(size=(n, 4)) @ rng.normal(size=(4, g)) + rng.normal(size=(n, g))
    x_ng[n_reference:] += 3 * rng.choice([-1, 1], size=g)
    adata = anndata.AnnData((x_ng / 4 + 10).astype(np.float32))
    adata.obs["label"] = np.where(np.arange(n) < n_reference, "normal", "strange")
    case = benchmark.Case("made", "", "label", ("normal",), ("strange",))
    return Divided.of_case(case, adata, seed=seed)


def test_samples_are_standardised_as_the_models_see_them() -> None:
    adata = datasets.load("tcga_brca")
    luminal = ("Luminal A", "Luminal B")
    part = Divided.of_case(
        benchmark.Case("brca", "", "pam50", luminal, ("Basal-like",)), adata, seed=0
    )
    x_ng = part.standardised(part.in_split("train"))
    np.testing.assert_allclose(x_ng, part.scaled().X, atol=2e-5)
    assert np.isin(part.split_n[part.adata.obs["pam50"] == "Basal-like"], "query").all()


def test_rivals_equal_other_implementations() -> None:
    part = divided()
    x_ng, train_n = np.asarray(part.scaled().X, dtype=np.float64), part.in_split("train")
    train_mg = x_ng[train_n]
    score = {name: baseline(train_mg, x_ng, 0) for name, baseline in BASELINES.items()}
    expected = LedoitWolf().fit(train_mg).mahalanobis(x_ng)
    np.testing.assert_allclose(score["Ledoit-Wolf Mahalanobis"], expected)
    wide_mg = np.hstack([train_mg, train_mg[:, ::-1] ** 2])  # more genes than samples
    np.testing.assert_allclose(
        BASELINES["Ledoit-Wolf Mahalanobis"](wide_mg, wide_mg, 0),
        LedoitWolf().fit(wide_mg).mahalanobis(wide_mg),
    )
    pca = PCA(20).fit(train_mg)
    z_nk = pca.transform(x_ng)
    rest_n = np.square(x_ng - pca.inverse_transform(z_nk)).sum(1)
    np.testing.assert_allclose(score["PCA-20 reconstruction"], rest_n)
    distance_n = np.square(z_nk / np.sqrt(pca.explained_variance_)).sum(1)
    scale = np.sqrt(len(train_mg) / (len(train_mg) - 1))  # of the divisor m - 1
    np.testing.assert_allclose(score["PCA-20 Mahalanobis"], scale * np.sqrt(distance_n))
    likelihoods = []
    for k in range(20):
        variance_g, axes_gg = np.linalg.eigh(np.cov(train_mg.T, bias=True))
        variance_g[: 30 - k] = variance_g[: 30 - k].mean()
        normal = multivariate_normal(train_mg.mean(0), (axes_gg * variance_g) @ axes_gg.T)
        likelihoods.append(normal.logpdf(x_ng))
    # Up to the constant, it is the likelihood with one of these numbers of components.
    minus_n = score["probabilistic PCA"] - score["probabilistic PCA"].mean()
    assert min(np.abs(minus_n + found - found.mean()).max() for found in likelihoods) < 1e-8
    tail = np.minimum(
        (x_ng[:, None] <= train_mg).sum(1) + 1, (x_ng[:, None] >= train_mg).sum(1) + 1
    ) / (len(train_mg) + 1)
    np.testing.assert_allclose(score["ECOD"], -np.log(tail).sum(1))
    strange_n = part.in_split("query")
    for name, score_n in score.items():
        assert score_n[strange_n].min() > np.quantile(score_n[train_n], 0.9), name


def test_rivals_learn_from_all_normal_samples_and_calibrate_on_those_left_out() -> None:
    """p-values that no fold has made, and that hold though the score depends on who was learned
    from: the distance to the nearest of them."""
    sizes = []

    def nearest(train_mg, x_ng, _):
        sizes.append(len(train_mg))
        return cdist(x_ng, train_mg).min(1)

    detector = cross_fitted(nearest)
    shares = []
    for seed in range(60):
        part = divided(50, 4, seed=seed)
        scores = detector(part)[""]
        reference = int(part.reference_n.sum())
        assert sizes[-FOLDS - 1 :] == [reference * (FOLDS - 1) // FOLDS] * FOLDS + [reference]
        assert (scores.p_n[part.in_split("query")] < 0.1).all()
        shares.append((scores.p_n[part.in_split("test")] <= 0.2).mean())
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert 0.1 < np.mean(shares) < 0.2 + 3 * error


def test_a_published_score_has_the_row_of_its_model() -> None:
    part = divided()
    rows = of_model("pca", latent_dim=5, published="nearest")(part)
    plain = of_model("pca", latent_dim=5)(part)
    assert set(rows) == {"", ", combined"} | {f": {view}" for view in View.registry} - {": nearest"}
    np.testing.assert_array_equal(rows[""].score_n, plain[": nearest"].score_n)
    np.testing.assert_array_equal(rows[", combined"].p_n, plain[""].p_n)
    assert [name for name, one in rows.items() if not one.part] == ["", ", combined"]


def test_false_alarms_and_flags_are_counted() -> None:
    part = divided(60, 6)
    normal, strange = np.flatnonzero(part.in_split("test")), np.flatnonzero(part.in_split("query"))
    p_n = np.ones(len(part.split_n))
    p_n[normal[:3]] = 0.001, 0.04, 0.1
    p_n[strange] = 0.002
    scores = {name: Scores(-p_n, p_n, 0.0) for name in (DEFAULT, "other")}
    labels = part.adata.obs["label"].to_list()
    row = measures(part, scores, label_n=labels, anomalies=["strange"]).iloc[1]
    shares = row[["p_10", "p_05", "p_01"]].to_numpy(dtype=float)
    np.testing.assert_allclose(shares, np.array([3, 2, 1]) / 12)
    # Of 12 normal and 5 strange samples, 6 have p <= 6 / 17 of 0.05; with 0.04 it would be 7 of 17.
    assert (row["power_05"], row["false_05"]) == (1, 1 / 6)
    assert (row["ahead"], row["ahead_error"]) == (0, 0)


def measured(**auroc: list[float]) -> pd.DataFrame:
    """Rows of detectors on five tasks, the last two of which are one group."""
    tables = [
        pd.DataFrame(
            {
                "case": list("abcde"),
                "anomaly": "x",
                "group": ["", "", "", "both", "both"],
                "half": "test",
                "detector": name,
                "seed": 0,
                "auroc": values,
                "ours": name == "mine",
                "pooled": False,
            }
        )
        for name, values in auroc.items()
    ]
    return pd.concat(tables, ignore_index=True)


def test_groups_are_the_units_of_means_errors_and_verdicts() -> None:
    rows = measured(
        mine=[0.9, 0.8, 0.7, 0.6, 0.8], one=[0.8, 0.9, 0.6, 0.6, 0.6], two=[0.8, 0.7, 0.6, 0.6, 0.6]
    )
    table = over_groups(rows, beside="mine")
    assert list(table.index) == ["mine", "one", "two"]
    assert table.loc["mine", "auroc"] == pytest.approx(np.mean([0.9, 0.8, 0.7, 0.7]))
    error = np.std([0.9, 0.8, 0.7, 0.7], ddof=1) / 2
    assert table.loc["mine", "error"] == pytest.approx(error)
    mine = table.loc["mine"]
    assert (mine["worst"], mine["where"]) == (pytest.approx(0.1), "b -> x")
    assert mine["gap"] == pytest.approx(np.mean([-0.1, 0.1, -0.1, -0.1]))
    assert table.loc["one", "ahead"] == pytest.approx(np.mean([0.1, -0.1, 0.1, 0.1]))
    assert table["verdict"].to_dict() == {
        "mine": "not distinguishable",
        "one": "not distinguishable",
        "two": "better",
    }
    assert table.loc["two", "ahead_error"] < 1e-9
