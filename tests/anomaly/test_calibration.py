import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from tybalt_like.anomaly import VIEWS, Calibration, conformal_p_values, q_values
from tybalt_like.anomaly.combination import Combination

scores = st.lists(st.floats(-5, 5), min_size=1, max_size=30)


def share(hits: list[float] | NDArray[np.bool_]) -> tuple[float, float]:
    """Mean over independent references, and three standard errors."""
    values = np.asarray(hits, dtype=np.float64)
    return values.mean(), 3 * values.std(ddof=1) / np.sqrt(len(values))


@given(scores, scores)
def test_p_value_is_the_definition(score, calibration) -> None:
    p_n = conformal_p_values(score, calibration)
    for s, p in zip(score, p_n, strict=True):
        equal = 1e-9 * max(1, abs(s))  # rounding makes no difference
        assert p == (1 + sum(c >= s - equal for c in calibration)) / (len(calibration) + 1)


def test_p_values_of_exchangeable_samples_are_valid() -> None:
    rng = np.random.default_rng(0)
    p = [conformal_p_values(rng.normal(size=50), rng.normal(size=19)) for _ in range(400)]
    for alpha in (0.05, 0.1, 0.3, 0.5):
        # 19 calibration samples make multiples of 1/20: the level is met exactly on average.
        assert abs(np.mean(np.array(p) <= alpha) - alpha) < 0.015


def test_few_skewed_calibration_samples_are_exact_if_views_are_standardised_jointly() -> None:
    m, rng = 8, np.random.default_rng(0)

    def views(n: int) -> pd.DataFrame:
        common_n1 = rng.normal(size=(n, 1))
        return pd.DataFrame(np.exp(common_n1 + rng.normal(size=(n, len(VIEWS)))), columns=VIEWS)

    smallest, alone = [], []
    for _ in range(700):
        held_out, new = views(m), views(10)
        score_n, score_nc = Combination.fit(held_out).beside(new, held_out)
        p_n = Calibration(m, rule="conformal").p_values(score_n, score_nc).p_n
        smallest.append(np.mean(p_n == 1 / (m + 1)))
        score_c, score_n = (
            np.exp((table - held_out.mean()) / held_out.std(ddof=0)).mean(axis=1)
            for table in (held_out, new)
        )
        alone.append(np.mean(conformal_p_values(score_n, score_c) == 1 / (m + 1)))
    mean, error = share(smallest)
    assert mean == pytest.approx(1 / 9, abs=error)
    mean, error = share(alone)  # standardised by mean and SD of the calibration samples alone
    assert mean > 1.5 / 9 + error


def test_the_tail_is_exact_for_exponential_scores() -> None:
    m, rng, at = 20, np.random.default_rng(0), (0.25, 0.05, 0.01, 0.002)
    calibration, found = Calibration(m), []
    for _ in range(1000):
        p_values = calibration.p_values(rng.exponential(size=50), rng.exponential(size=m))
        assert (p_values.extrapolated_n == (p_values.p_n < 1 / 21 - 1e-9)).all()
        found.append([np.mean(p_values.p_n <= a) for a in at])
    for alpha, hits in zip(at, np.transpose(found), strict=True):
        mean, error = share(hits)
        assert mean == pytest.approx(alpha, abs=error)
    score_m = np.sort(rng.exponential(size=m))[::-1]
    u, e = score_m[5], np.mean(score_m[:5] - score_m[5])  # a quarter of 20 makes the tail
    beyond = score_m[0] + 3
    p_n, extrapolated_n = calibration.p_values(np.array([beyond, u]), score_m)
    assert p_n == pytest.approx([6 / 21 * (1 + (beyond - u) / (5 * e)) ** -5, 7 / 21])
    assert extrapolated_n.tolist() == [True, False]


def test_conditional_p_values_hold_for_nine_in_ten_references() -> None:
    """Shares of uniform scores are known: those beyond c are 1 - c."""
    m, rng = 112, np.random.default_rng(0)
    holds: dict[str, list[bool]] = {"conditional": [], "conformal": []}
    for _ in range(1000):
        score_m = np.sort(rng.random(m))
        for rule, held in holds.items():
            # A sample just beyond one calibration sample is seen as the next one is.
            just_beyond_m = np.append(score_m[1:], 2.0)
            p_m = Calibration(m, rule=rule).p_values(just_beyond_m, score_m).p_n
            held.append(bool((1 - score_m <= p_m).all()))
    mean, error = share(holds["conditional"])
    assert mean > 0.9 - error
    assert np.mean(holds["conformal"]) < 0.5


def test_p_values_hold_for_samples_of_new_units() -> None:
    rng, at = np.random.default_rng(0), (1 / 16, 0.25, 0.5)
    hierarchical, as_if_independent = [], []
    for _ in range(2000):
        size_u = rng.integers(1, 8, size=15)
        unit_c = np.repeat(np.arange(15), size_u)
        score_c = rng.normal(size=15)[unit_c] + 0.1 * rng.normal(size=len(unit_c))
        new = np.array([rng.normal() + 0.1 * rng.normal()])
        names = tuple(map(str, unit_c))
        calibration = Calibration(len(unit_c), unit_c=names, rule="conformal")
        assert calibration.size == 15
        p_n = calibration.p_values(new, score_c).p_n
        hierarchical.append([p_n[0] <= a + 1e-9 for a in at])
        as_if_independent.append(conformal_p_values(new, score_c)[0] <= 0.02)
        beyond_u = [np.mean(score_c[unit_c == u] >= new[0]) for u in range(15)]
        assert p_n[0] == pytest.approx((1 + sum(beyond_u)) / 16)
    for alpha, hits in zip(at, np.transpose(hierarchical), strict=True):
        mean, error = share(hits)
        assert alpha - 0.07 < mean < alpha + error
    mean, error = share(as_if_independent)
    assert mean > 0.02 + error


def test_error_rates_hold_within_strata() -> None:
    rng = np.random.default_rng(0)
    stratum_c = ("a",) * 9 + ("b",) * 19
    calibration = Calibration(28, stratum_c=stratum_c, rule="conformal")
    small: dict[str, list[bool]] = {"a": [], "b": []}
    for _ in range(3000):
        score_c = rng.normal(size=28) * np.where(np.array(stratum_c) == "a", 1, 5)
        new = rng.normal(size=3) * [1, 5, 1]
        p_n = calibration.p_values(new, score_c, ["a", "b", "c"]).p_n
        small["a"].append(p_n[0] <= 0.1 + 1e-9)
        small["b"].append(p_n[1] <= 0.1 + 1e-9)
        assert np.isnan(p_n[2])
    for hits in small.values():
        mean, error = share(hits)
        assert mean == pytest.approx(0.1, abs=error)
    assert calibration.size == 19


def test_samples_without_a_reference_are_compared_with_all_others_of_their_kind() -> None:
    rng = np.random.default_rng(0)
    score_c = rng.normal(size=40)
    p_n = Calibration(40, rule="conformal").among_others(score_c).p_n
    np.testing.assert_allclose(np.sort(p_n), np.arange(1, 41) / 40)
    strata, units = ("a",) * 20 + ("b",) * 20, tuple(str(i // 2) for i in range(40))
    p_n = Calibration(40, strata, units, "conformal").among_others(score_c).p_n
    others = [i for i in range(20) if i // 2 != 3]
    at_least = [np.mean(score_c[[i, i + 1]] >= score_c[6]) for i in others[::2]]
    assert p_n[6] == pytest.approx((1 + sum(at_least)) / 10)


def test_q_values_leave_missing_ones_out() -> None:
    p_n = np.array([0.01, np.nan, 0.2, 0.03])
    q_n = q_values(p_n)
    np.testing.assert_allclose(q_n[[0, 2, 3]], false_discovery_control(p_n[[0, 2, 3]]))
    assert np.isnan(q_n[1])


@pytest.mark.parametrize("rule", ["auto", "conformal", "conditional"])
def test_ranks_among_many_others_are_counted_in_one_sweep(rule) -> None:
    """As in one stratum that holds them all, where each is compared with each."""
    score_c = np.random.default_rng(0).normal(size=301).round(2)  # with ties
    found = Calibration(301, rule=rule).among_others(score_c)
    pairs = Calibration(301, stratum_c=("all",) * 301, rule=rule).among_others(score_c)
    np.testing.assert_array_equal(found.p_n, pairs.p_n)
    np.testing.assert_array_equal(found.extrapolated_n, pairs.extrapolated_n)
