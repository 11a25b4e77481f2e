"""The default detector: learned from all normals, each scored by what was learned without it."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.metrics import roc_auc_score

from tybalt_like import anomaly, pp, tl
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets
from tybalt_like.tl.scorer import Scorer


@pytest.fixture(scope="module")
def breast() -> AnnData:
    adata = datasets.load("tcga_brca")[:, :200]
    kept = adata.obs["pam50"].isin(["Luminal A", "Basal-like"])
    adata = adata[kept & (np.arange(adata.n_obs) % 3 == 0)].copy()
    pp.split(adata, label="pam50", normal=["Luminal A"])
    return adata


@pytest.fixture(scope="module")
def scored(breast) -> tuple[AnnData, Scorer]:
    adata = breast.copy()
    return adata, tl.detect(adata, seed=1)


def test_reference_samples_are_scored_by_what_was_learned_without_them(scored) -> None:
    adata, _ = scored
    known = np.flatnonzero(adata.obs["tybalt_split"] != "query")
    fold = pp.folds(np.full(len(known), ""), 10, seed=1)
    x = np.asarray(adata.X, dtype=np.float64)

    def extremes(rows: np.ndarray, train: np.ndarray) -> np.ndarray:
        z = (x[rows] - x[train].mean(0)) / x[train].std(0)
        return np.sqrt(np.sort(z**2)[:, -2:].mean(1))  # a hundredth of 200 genes

    found = adata.obs["default_top_genes"]
    for k in (0, 7):
        held, train = known[fold == k], known[fold != k]
        np.testing.assert_allclose(found.iloc[held], extremes(held, train), rtol=1e-4)
    query = np.flatnonzero(adata.obs["tybalt_split"] == "query")
    np.testing.assert_allclose(found.iloc[query], extremes(query, known), rtol=1e-4)


def test_all_normals_calibrate_and_the_others_are_found(scored) -> None:
    adata, scorer = scored
    query = adata.obs["tybalt_split"] == "query"
    m = (~query).sum()
    assert scorer.detector.calibration.m == m
    p = adata.obs.loc[~query, "default_p_value"]
    np.testing.assert_allclose(np.sort(p), np.arange(1, m + 1) / m)
    assert adata.obs.loc[~query, "default_q_value"].isna().all()
    assert roc_auc_score(query, adata.obs["default_combined"]) > 0.95
    flagged = adata.obs["default_flagged"]
    assert flagged[query].mean() > 0.5
    assert not flagged[~query].any()


def test_a_scorer_scores_new_samples_as_it_did(scored, tmp_path) -> None:
    adata, scorer = scored
    scorer.save(tmp_path / "default")
    again = Scorer.load(tmp_path / "default", name="default")
    query = adata.obs_names[adata.obs["tybalt_split"] == "query"][:7]
    table = anomaly.scores.wide(again.score(adata[query[::-1]].copy())).loc[query]
    for column in ("default_combined", "default_p_value", "default_relative"):
        np.testing.assert_allclose(table[column], adata.obs.loc[query, column], rtol=1e-5)


def test_few_normals_are_left_out_one_by_one_and_p_goes_on(breast) -> None:
    known = breast[breast.obs["pam50"] == "Luminal A"][:24]
    query = breast.obs_names[breast.obs["tybalt_split"] == "query"][:5]
    few = breast[known.obs_names.union(query)].copy()
    few.obs["tybalt_split"] = np.where(few.obs["pam50"] == "Luminal A", "train", "query")
    tl.detect(few)
    query = few.obs["tybalt_split"] == "query"
    assert (few.obs.loc[query, "default_p_value"] < 1 / 25).any()
    beyond = few.obs["default_p_value"] < (1 - 1e-9) / np.where(query, 25, 24)
    assert (few.obs["default_extrapolated"] == beyond).all()
    tl.detect(few, p_values="conformal")
    assert few.obs.loc[query, "default_p_value"].min() >= 1 / 25
    few.obs["tybalt_split"] = ["train"] * 5 + ["query"] * (few.n_obs - 5)
    with pytest.raises(DataError, match="5 reference samples; at least 20"):
        tl.detect(few)


def test_samples_of_a_patient_count_as_one(breast) -> None:
    known = breast[breast.obs["tybalt_split"] != "query"][:40]
    again = known.copy()
    again.X = np.asarray(again.X) + 0.01  # each was measured twice
    again.obs_names = again.obs_names + "_again"
    query = breast[breast.obs["tybalt_split"] == "query"][:3]
    twice = AnnData(
        np.vstack([known.X, again.X, query.X]),
        obs=pd.concat([known.obs, again.obs, query.obs]),
        var=breast.var[[]],
    )
    twice.obs["patient"] = [*known.obs_names, *known.obs_names, *query.obs_names]
    alone = tl.detect(twice.copy()).detector.calibration
    grouped = tl.detect(twice, group="patient").detector.calibration
    assert (alone.size, grouped.size) == (80, 40)
    # Nothing that was learned had seen the sample's twin.
    nearest = twice.obs.loc[twice.obs["tybalt_split"] != "query", "default_nearest"]
    assert nearest.min() > 0.2


def test_without_a_split_every_sample_is_compared_with_all_others(breast) -> None:
    adata = breast[:, :100].copy()
    del adata.obs["tybalt_split"]
    tl.detect(adata)
    assert adata.obs["default_q_value"].notna().all()
    assert np.sort(adata.obs["default_p_value"])[0] == pytest.approx(1 / adata.n_obs)


def test_counts_are_logged_whatever_the_model_wants() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 2, size=(60, 1))
    counts = rng.poisson(depth * rng.gamma(2, 50, size=(1, 80)) * rng.gamma(20, 0.05, (60, 80)))
    raw = AnnData(counts.astype(np.float32), obs={"tybalt_split": ["train"] * 50 + ["query"] * 10})
    as_counts = pp.Normalisation(library="none", log="no", scale="none", n_genes=40)
    usual = pp.Normalisation(n_genes=40)
    combined = []
    for normalisation in (as_counts, usual):
        adata = raw.copy()
        tl.detect(adata, normalisation=normalisation, folds=3)
        combined.append(adata.obs["default_combined"])
    np.testing.assert_allclose(*combined)
