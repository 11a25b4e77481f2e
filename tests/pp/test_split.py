"""Who is learned from: at random, or by an official division."""

import anndata
import numpy as np
import pandas as pd
import pytest

from tybalt_like import pp
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.pp import Normalisation, Normaliser


@pytest.fixture
def cohort() -> anndata.AnnData:
    """200 official training samples and 100 test samples of two labels."""
    obs = pd.DataFrame({"part": ["train"] * 200 + ["test"] * 100, "label": ["a", "b", "a"] * 100})
    x_ng = np.random.default_rng(0).random((300, 5), dtype=np.float32)
    x_ng[:, 1] = 0.5
    return anndata.AnnData(x_ng, obs=obs.set_index(obs.index.astype(str)))


def test_an_official_test_split_is_kept_whole(cohort) -> None:
    pp.split(cohort, label="label", by="part", train=0.6, calibration=0.2, validation=0.1)
    split = cohort.obs[keys.SPLIT]
    assert (split == keys.TEST).equals(cohort.obs["part"] == "test")
    counts = split.value_counts()
    # 3 : 1 of the others, as of the whole without a division
    assert counts[[keys.TRAIN, keys.VALIDATION, keys.CALIBRATION]].tolist() == [135, 15, 50]


def test_other_labels_are_asked_about_whatever_their_part(cohort) -> None:
    pp.split(cohort, label="label", normal=["a"], by="part")
    split = cohort.obs[keys.SPLIT]
    assert (split[cohort.obs["label"] == "b"] == keys.QUERY).all()
    in_test = (cohort.obs["label"] == "a") & (cohort.obs["part"] == "test")
    assert (split[in_test] == keys.TEST).all()


def test_a_division_that_is_not_there_is_named(cohort) -> None:
    with pytest.raises(DataError, match="no column 'fold'"):
        pp.split(cohort, by="fold")


def test_all_columns_can_be_kept_in_their_places(cohort) -> None:
    settings = Normalisation(select="all", scale="none", units="zero_one")
    kept = Normaliser.fit(cohort, settings, train=np.arange(100)).transform(cohort)
    assert list(kept.var_names) == list(cohort.var_names)  # also the constant one
    np.testing.assert_array_equal(kept.X, cohort.X)


STRATA = {
    "100 singletons": [f"condition {i}" for i in range(100)],
    "50 pairs": [f"condition {i // 2}" for i in range(100)],
    "one": [""] * 101,
    "one large, many small": ["wild type"] * 60 + [f"mutant {i // 3}" for i in range(91)],
}
"""Labels as cohorts have them."""


def counts(code_n: np.ndarray, strata_n: np.ndarray | list[str], names: list) -> np.ndarray:
    """Samples of each stratum under each of the names."""
    table = pd.crosstab(np.asarray(strata_n), code_n)
    return table.reindex(columns=names, fill_value=0).to_numpy()


@pytest.mark.parametrize("strata", STRATA.values(), ids=STRATA)
@pytest.mark.parametrize("k", [2, 10, 1000])
def test_folds_are_equal_in_the_whole_and_in_every_stratum(strata, k) -> None:
    for seed in range(10):
        fold_n = pp.folds(strata, k, seed=seed)
        k = min(k, len(strata))  # at most leave-one-out
        table = counts(fold_n, strata, list(range(k)))
        assert np.ptp(table, axis=1).max() <= 1
        assert np.ptp(table.sum(0)) <= 1


def test_folds_keep_groups_whole_and_are_as_many_as_groups_if_need_be() -> None:
    rng = np.random.default_rng(0)
    patient_n = rng.geometric(0.1, 300)  # of 1 to 30 samples
    fold_n = pp.folds([""] * 300, 10, group_n=patient_n, seed=0)
    assert pd.Series(fold_n).groupby(patient_n).nunique().max() == 1
    assert np.ptp(np.bincount(fold_n)) < np.bincount(patient_n).max()
    assert len(set(pp.folds([""] * 300, 10, group_n=patient_n % 4, seed=0))) == 4
    missing = pp.folds(["a"] * 6, 10, group_n=["x", "x", None, np.nan, "", "x"], seed=0)
    assert pd.Series(missing).nunique() == 4
    with pytest.raises(DataError, match="1 groups of samples cannot be divided into 3 folds"):
        pp.folds(["a"] * 3, 3, group_n=["x"] * 3, seed=0)


def test_every_sample_is_as_likely_in_each_fold() -> None:
    patient_n = np.random.default_rng(1).geometric(0.2, 40)
    n_nk = np.zeros((40, 4))
    for seed in range(2000):
        n_nk[np.arange(40), pp.folds(patient_n % 2, 4, group_n=patient_n, seed=seed)] += 1
    np.testing.assert_allclose(n_nk / 2000, 0.25, atol=4.5 * np.sqrt(0.25 * 0.75 / 2000))
