import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from tybalt_like import anomaly, tl
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError


@pytest.fixture
def scored() -> AnnData:
    """Two noisy views of how strange samples are; the last 40 are."""
    rng = np.random.default_rng(0)
    split = np.repeat(["train", "calibration", "test", "query"], [40, 100, 40, 40])
    strange_n = 2.0 * (split == "query")
    obs = pd.DataFrame({keys.SPLIT: split}, index=[f"s{i}" for i in range(220)])
    for name in ("one", "other"):
        obs[name] = strange_n + rng.normal(size=220)
    return AnnData(np.zeros((220, 1), np.float32), obs=obs)


@pytest.mark.parametrize("how", ["p_values", "ranks"])
def test_an_ensemble_beats_its_members_and_is_calibrated(scored, how) -> None:
    tl.ensemble(scored, ["one", "other"], how=how, fdr=0.2)
    obs = scored.obs
    found = anomaly.detection_metrics(
        {name: obs[name] for name in ("one", "other", "ensemble_combined")},
        label_n=["strange" if s == "query" else "" for s in obs[keys.SPLIT]],
        normal_n=np.asarray(obs[keys.SPLIT] == "test"),
        anomalies=["strange"],
    ).set_index("detector")["auroc"]
    assert found["ensemble_combined"] > found[["one", "other"]].max()
    normal = obs[obs[keys.SPLIT] == "test"]
    assert (normal["ensemble_p_value"] <= 0.1).mean() < 0.2
    assert obs.loc[obs["ensemble_flagged"], keys.SPLIT].eq("query").mean() > 0.7
    assert obs.loc[obs[keys.SPLIT].isin(["train", "calibration"]), "ensemble_p_value"].isna().all()


def test_scores_that_are_all_equal_flag_nobody(scored) -> None:
    scored.obs["one"] = scored.obs["other"] = 1.0
    tl.ensemble(scored, ["one", "other"])
    tested = scored.obs["ensemble_p_value"].dropna()
    assert tested.eq(1).all()
    assert np.isfinite(scored.obs["ensemble_combined"]).all()
    assert not scored.obs["ensemble_flagged"].any()


def test_what_cannot_be_pooled_is_said(scored) -> None:
    with pytest.raises(DataError, match="at least two"):
        tl.ensemble(scored, ["one"])
    with pytest.raises(DataError, match="no column 'third'"):
        tl.ensemble(scored, ["one", "third"])
    scored.obs.loc["s7", "other"] = np.nan
    with pytest.raises(DataError, match="missing for sample 's7'"):
        tl.ensemble(scored, ["one", "other"])
