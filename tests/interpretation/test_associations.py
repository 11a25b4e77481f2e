"""Features against sample columns: SciPy's tests, and error rates where samples repeat."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, kruskal, mannwhitneyu, spearmanr
from sklearn.metrics import roc_auc_score

from tybalt_like.core import keys
from tybalt_like.interpretation import associations

NAMES = [f"f{i}" for i in range(6)]


@pytest.fixture
def codes() -> np.ndarray:
    """Sixty samples, one feature that is constant and one with ties."""
    z_nk = np.random.default_rng(0).normal(size=(60, len(NAMES)))
    z_nk[:, 4] = np.round(z_nk[:, 4])
    z_nk[:, 5] = 1
    return z_nk


def test_single_tests_are_those_of_scipy(codes) -> None:
    rng = np.random.default_rng(1)
    z_nk = codes[:, :5]
    obs = pd.DataFrame(
        {
            "sex": np.where(z_nk[:, 0] + rng.normal(size=60) > 0.5, "F", "M"),
            "rare": np.where(np.arange(60) < 6, "yes", "no"),
            "site": rng.choice(list("abc"), 60),
            "rin": z_nk[:, 1] + rng.normal(size=60),
        }
    )
    obs.loc[:3, ["sex", "rin"]] = None
    found = associations(z_nk, obs, features=NAMES[:5])
    assert len(found) == 20
    rows = found.set_index(["column", "feature"])
    for k, name in enumerate(NAMES[:5]):
        for column in ("sex", "rare"):
            row, known = rows.loc[column, name], obs[column].notna().to_numpy()
            high = (obs[column] == row["level"])[known]
            z_n = z_nk[known, k]
            assert row["value"] == pytest.approx(roc_auc_score(high, z_n))
            assert row["value"] >= 0.5
            assert row["p_value"] == pytest.approx(mannwhitneyu(z_n[high], z_n[~high]).pvalue)
        row, parts = rows.loc["site", name], [z_nk[obs["site"] == s, k] for s in "abc"]
        h, p = kruskal(*parts)
        assert row["p_value"] == pytest.approx(p)
        assert row["value"] == pytest.approx(max(0, (h - 2) / (60 - 3)))
        at = obs["site"] == row["level"]
        side = roc_auc_score(at, z_nk[:, k] if row["direction"] == "high" else -z_nk[:, k])
        assert row["auroc"] == pytest.approx(side)
        row = rows.loc["rin", name]
        rho, p = spearmanr(obs["rin"][4:], z_nk[4:, k])
        assert (row["value"], row["p_value"]) == (pytest.approx(rho), pytest.approx(p))
        assert row["n"] == 56
    np.testing.assert_allclose(found["q_value"], false_discovery_control(found["p_value"]))


def test_only_columns_that_can_mean_something_are_tested(codes) -> None:
    rng = np.random.default_rng(2)
    obs = pd.DataFrame(
        {
            "name": [f"S{i}" for i in range(60)],
            "number": np.arange(100, 160),
            "constant": "x",
            "nearly": ["a"] * 57 + ["b"] * 3,
            keys.SPLIT: rng.choice(["train", "test"], 60),
            "stage": rng.integers(1, 4, 60),
            "age": [str(a) for a in rng.integers(20, 70, 59)] + ["[Not Available]"],
            "depth": rng.integers(10**6, 10**7, 60),
        }
    )
    found = associations(codes, obs, features=NAMES)
    kinds = dict(zip(found["column"], found["kind"], strict=True))
    assert kinds == {"stage": "groups", "age": "numbers", "depth": "numbers"}
    still = found[found["feature"] == "f5"]
    assert (still["p_value"] == 1).all()
    assert associations(codes, obs[["name"]], features=NAMES).empty


def null_shares(*, grouped: bool, at: float, runs: int = 40) -> dict[str, float]:
    """Share of p-values below `at` where nothing is there but patients, who repeat."""
    rng, p_values = np.random.default_rng(3), dict[str, list[float]]()
    for _ in range(runs):
        group_n = np.repeat(np.arange(40), rng.integers(1, 7, 40))
        n = len(group_n)
        z_nk = rng.normal(size=(n, 100)) + 1.5 * rng.exponential(size=(40, 100))[group_n]
        obs = pd.DataFrame(
            {
                "sex": rng.choice(["F", "M"], 40)[group_n],
                "age": rng.normal(size=40)[group_n],
                "tissue": rng.choice(["t", "n"], n),
                "visit": rng.choice(["first", "second", "third"], n),
                "rin": rng.normal(size=n) + rng.normal(size=40)[group_n],
            }
        )
        found = associations(z_nk, obs, features=range(100), group_n=group_n if grouped else None)
        for column, rows in found.groupby("column"):
            p_values.setdefault(column, []).extend(rows["p_value"])
    assert set(p_values) == {"sex", "age", "tissue", "visit", "rin"}
    return {column: float(np.mean(np.array(p) <= at)) for column, p in p_values.items()}


@pytest.mark.parametrize(("at", "most"), [(0.05, 0.06), (0.001, 0.0025)])
def test_p_values_hold_where_samples_repeat(at: float, most: float) -> None:
    """4,000 p-values of each kind of column; those of a run share their columns."""
    assert max(null_shares(grouped=True, at=at).values()) <= most


def test_without_the_groups_they_do_not() -> None:
    shares = null_shares(grouped=False, at=0.05, runs=10)
    assert min(shares["sex"], shares["age"], shares["rin"]) > 0.1


def test_within_groups_p_values_are_those_of_permutations() -> None:
    rng = np.random.default_rng(4)
    group_n = np.repeat(np.arange(12), [2, 3, 4] * 4)
    n = len(group_n)
    z_n = rng.normal(size=n) + 3 * rng.normal(size=12)[group_n]
    time_n = rng.choice(["a", "b", "c"], n)
    z_n += 0.8 * (time_n == "c")
    obs = pd.DataFrame({"time": time_n, "dose": rng.normal(size=n)})
    found = associations(z_n[:, None], obs, features=["f"], group_n=group_n).set_index("column")
    assert set(found["unit"]) == {"within groups"}

    def shuffled() -> pd.DataFrame:
        order = np.lexsort((rng.random(n), group_n))
        return obs.iloc[order].reset_index(drop=True)

    apart, runs = {name: found.loc[name, "p_value"] for name in obs}, 400
    smaller = dict.fromkeys(obs, 0)
    for _ in range(runs):
        p = associations(z_n[:, None], shuffled(), features=["f"], group_n=group_n)
        for column, value in zip(p["column"], p["p_value"], strict=True):
            smaller[column] += value <= apart[column] + 1e-12
    for column, times in smaller.items():
        assert times / runs == pytest.approx(apart[column], abs=0.08), column


def test_a_change_within_patients_is_found_through_their_differences() -> None:
    rng = np.random.default_rng(5)
    group_n = np.repeat(np.arange(25), 2)
    tissue_n = np.tile(["normal", "tumour"], 25)
    z_n = 10 * rng.normal(size=25)[group_n] + rng.normal(size=50) + 1.5 * (tissue_n == "tumour")
    obs = pd.DataFrame({"tissue": tissue_n})
    paired = associations(z_n[:, None], obs, features=["f"], group_n=group_n).iloc[0]
    alone = associations(z_n[:, None], obs, features=["f"]).iloc[0]
    assert paired["p_value"] < 1e-3
    assert alone["p_value"] > 0.1
    assert (paired["level"], paired["n"]) == ("tumour", 50)
    assert paired["value"] > 0.8 > alone["value"]
