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


PARTS = [keys.VALIDATION, keys.TRAIN, keys.CALIBRATION, keys.TEST]
SHARE_P = np.array([0.06, 0.54, 0.2, 0.2])


def divided(strata, *, seed: int = 0, **settings) -> pd.Series:
    """The split of samples with these labels."""
    obs = pd.DataFrame({"label": strata, **settings.pop("obs", {})})
    adata = anndata.AnnData(np.zeros((len(obs), 1)), obs=obs.set_index(obs.index.astype(str)))
    pp.split(adata, label="label", seed=seed, **settings)
    return adata.obs[keys.SPLIT].reset_index(drop=True)


@pytest.mark.parametrize("strata", STRATA.values(), ids=STRATA)
def test_parts_have_their_share_of_the_whole_and_of_every_stratum(strata) -> None:
    for seed in range(20):
        table = counts(divided(strata, seed=seed), strata, PARTS)
        assert np.abs(table.sum(0) - len(strata) * SHARE_P).max() < 1
        assert np.abs(table - table.sum(1, keepdims=True) * SHARE_P).max() < 1


def test_parts_have_their_share_of_a_real_cohort(shared_data) -> None:
    """154 conditions of E. coli, 1 to 15 samples each."""
    condition = anndata.read_h5ad(shared_data / "ecoli_precise/ecoli_precise.h5ad").obs["condition"]
    table = counts(divided(condition.to_numpy(str)), condition, PARTS)
    assert np.abs(table.sum(0) - len(condition) * SHARE_P).max() < 1


@pytest.mark.parametrize("grouped", [False, True])
def test_every_sample_is_as_likely_in_each_part_as_its_share_says(grouped) -> None:
    rng = np.random.default_rng(0)
    strata = [f"{i}" for i in np.sort(rng.geometric(0.3, 60))]
    obs = {"patient": rng.integers(0, 25, 60).astype(str)} if grouped else {}
    n_np, n = np.zeros((60, 4)), 600
    for seed in range(n):
        of_seed = divided(strata, obs=obs, group="patient" if grouped else None, seed=seed)
        n_np += np.asarray(of_seed)[:, None] == np.array(PARTS)
    assert (np.abs(n_np / n - SHARE_P) < 4.5 * np.sqrt(SHARE_P / n)).all()


def test_p_values_of_held_out_samples_hold_with_many_small_strata() -> None:
    """Nearest-neighbour scores: those of a stratum are alike, and low if it is trained on.

    Strata that are even in calibration and test leave the k-th of n ranks to (k - 1/2) / n of the
    test samples, not k / (n + 1): p-values err by half a rank, on the safe side.
    """
    rng, shares = np.random.default_rng(0), []
    strata = np.repeat(np.arange(80), rng.choice([1, 2, 3], 80))
    x_nk = rng.normal(size=(80, 5))[strata] + 0.1 * rng.normal(size=(len(strata), 5))
    distance_nn = np.linalg.norm(x_nk[:, None] - x_nk, axis=2)
    for seed in range(200):
        part_n = divided(strata.astype(str), seed=seed).to_numpy()
        score_n = distance_nn[:, part_n == keys.TRAIN].min(1)
        c, s = score_n[part_n == keys.CALIBRATION], score_n[part_n == keys.TEST]
        p = (1 + (c >= s[:, None]).sum(1)) / (len(c) + 1)
        shares.append((p <= 0.2).mean())
    rank, noise = np.floor(0.2 * (len(c) + 1)), 3 * np.std(shares) / np.sqrt(200)
    assert (rank - 0.5) / len(c) - noise < np.mean(shares) < rank / (len(c) + 1) + noise


def grouped_cohort() -> pd.DataFrame:
    """60 patients of 1 to 8 samples, all with one label each, and 5 samples of nobody."""
    rng = np.random.default_rng(0)
    size = rng.integers(1, 9, 60)
    label = np.where(np.arange(60) % 3, "a", "b")
    obs = pd.DataFrame({"patient": np.repeat(np.arange(60), size), "label": np.repeat(label, size)})
    nobody = pd.DataFrame({"patient": [np.nan] * 5, "label": "a"})
    return pd.concat([obs, nobody], ignore_index=True)


def test_groups_stay_whole_and_parts_keep_their_shares() -> None:
    obs = grouped_cohort()
    alone = []
    for seed in range(20):
        part = divided(obs["label"], obs={"patient": obs["patient"]}, group="patient", seed=seed)
        assert part.groupby(obs["patient"]).nunique().max() == 1
        table = counts(part, obs["label"], PARTS)
        np.testing.assert_allclose(table, table.sum(1, keepdims=True) * SHARE_P, atol=12)
        np.testing.assert_allclose(table.sum(0), len(obs) * SHARE_P, atol=8)
        alone.append(part[obs["patient"].isna()].nunique())
    assert max(alone) > 1  # samples of nobody do not belong together


def test_few_groups_are_one_for_each_part_or_refused() -> None:
    donor = np.repeat(["x", "y", "z"], [4, 40, 4])
    for seed in range(20):
        part = divided([""] * 48, obs={"donor": donor}, group="donor", seed=seed)
        assert set(part) == {keys.TRAIN, keys.CALIBRATION, keys.TEST}
    with pytest.raises(DataError, match="2 groups of samples cannot be divided into 3 parts"):
        divided([""] * 44, obs={"donor": donor[:44]}, group="donor")
    with pytest.raises(DataError, match="no column 'batch'"):
        divided([""] * 44, group="batch")


def test_an_official_division_may_not_cut_through_groups(cohort) -> None:
    cohort.obs["donor"] = [str(i // 10) for i in range(300)]
    pp.split(cohort, by="part", group="donor")
    split = cohort.obs[keys.SPLIT]
    assert split.groupby(cohort.obs["donor"]).nunique().max() == 1
    cohort.obs.iloc[200, cohort.obs.columns.get_loc("donor")] = "7"
    with pytest.raises(DataError, match="'part' puts donor '7'"):
        pp.split(cohort, by="part", group="donor")
    held_out = cohort.obs["donor"].eq("7").to_numpy()  # of which then nothing is said
    pp.split(cohort, by="part", group="donor", held_out=held_out)
    assert (cohort.obs[keys.SPLIT][held_out] == keys.QUERY).all()


def test_copies_of_a_sample_are_never_apart(cohort) -> None:
    copies = np.random.default_rng(1).permutation(300)[:60].reshape(30, 2)
    cohort.X[copies[:, 1]] = cohort.X[copies[:, 0]]
    for seed in range(5):
        pp.split(cohort, label="label", seed=seed)
        split = cohort.obs[keys.SPLIT].to_numpy()
        assert (split[copies[:, 0]] == split[copies[:, 1]]).all()
        # As near to the shares as pairs allow.
        assert abs((split == keys.TEST).sum() - 60) <= 2
