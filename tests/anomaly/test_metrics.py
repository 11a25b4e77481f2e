"""How well scores find anomalies, and how sure that is, beside independent computations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm
from sklearn.metrics import average_precision_score, roc_auc_score

from tybalt_like.anomaly import auroc_difference, auroc_interval, detection_metrics, together


def test_metrics_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat(["ok", "odd", "bad", "other"], 25)
    normal = (label == "ok") & (np.arange(100) % 2 == 0)
    score = rng.normal(size=100) + (label == "odd") + 2 * (label == "bad")
    table = detection_metrics(
        {"mine": score}, label_n=list(label), normal_n=normal, anomalies=["odd", "bad"]
    ).set_index("anomaly")
    for name, strange in (("odd", label == "odd"), ("all", np.isin(label, ["odd", "bad"]))):
        used = normal | strange
        row = table.loc[name]
        assert row["auroc"] == pytest.approx(roc_auc_score(strange[used], score[used]))
        assert row["auprc"] == average_precision_score(strange[used], score[used])
        assert row["prevalence"] == strange.sum() / used.sum()
        assert row["auroc_low"] < row["auroc"] < row["auroc_high"]


def test_a_label_called_all_is_not_the_row_of_all() -> None:
    label = np.repeat(["ok", "all", "odd"], 10)
    table = detection_metrics(
        {"mine": np.arange(30.0)},
        label_n=list(label),
        normal_n=label == "ok",
        anomalies=["all", "odd"],
    ).set_index("anomaly")
    assert together(["all", "odd"]) == "all anomalies"
    assert table["n_anomaly"].to_dict() == {"all": 10, "odd": 10, "all anomalies": 20}


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
)
def test_intervals_hold_the_area_under_any_ties(strange: list[int], normal: list[int]) -> None:
    strange_n = np.arange(len(strange) + len(normal)) < len(strange)
    area = auroc_interval([*strange, *normal], strange_n)
    pairs = len(strange) * len(normal)
    assert area.value == pytest.approx(mannwhitneyu(strange, normal).statistic / pairs)
    assert 0 <= area.low <= area.value <= area.high <= 1
    assert area.high - area.low > 0.1  # so few samples never prove much
    turned = auroc_interval([-x for x in (*strange, *normal)], strange_n)
    assert turned == pytest.approx((1 - area.value, 1 - area.high, 1 - area.low))


def test_the_paired_difference_is_that_of_delong_delong_and_clarke_pearson() -> None:
    """Their covariance matrices over all pairs, where ours goes by ranks."""
    rng = np.random.default_rng(1)
    strange_n = np.arange(50) < 20
    common = rng.normal(size=50) + strange_n
    first, second = (np.round(common + rng.normal(size=50), 1) for _ in range(2))
    kernels = [
        (x[strange_n][:, None] > x[~strange_n]) + 0.5 * (x[strange_n][:, None] == x[~strange_n])
        for x in (first, second)
    ]
    covariance = np.cov([kernel.mean(1) for kernel in kernels]) / 20
    covariance += np.cov([kernel.mean(0) for kernel in kernels]) / 30
    found = auroc_difference(first, second, strange_n)
    assert found.value == pytest.approx(kernels[0].mean() - kernels[1].mean())
    assert found.error == pytest.approx(np.sqrt([1, -1] @ covariance @ [1, -1]))
    assert auroc_difference(first, first, strange_n) == (0, 0)
    alone = np.arange(50) < 1
    assert auroc_difference(first, second, alone).error == np.inf


@pytest.mark.parametrize(
    ("n_strange", "n_normal", "spread", "true"),
    [(5, 5, 1, 0.9), (10, 10, 1, 0.995), (10, 40, 3, 0.7), (40, 10, 3, 0.97), (25, 25, 1, 0.5)],
)
def test_intervals_cover_the_truth(
    n_strange: int, n_normal: int, spread: float, true: float
) -> None:
    """In 95 % of the cases or more, up to simulation error; near 1, and for unequal spreads."""
    rng = np.random.default_rng(2)
    shift = norm.ppf(true) * np.hypot(1, spread)
    strange_n = np.arange(n_strange + n_normal) < n_strange
    covered = 0
    for _ in range(400):
        score = rng.normal(size=len(strange_n))
        score[strange_n] = score[strange_n] * spread + shift
        area = auroc_interval(score, strange_n)
        covered += area.low <= true <= area.high
    assert covered / 400 > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 400)


def test_equal_detectors_differ_by_two_errors_in_one_case_of_twenty() -> None:
    rng = np.random.default_rng(3)
    strange_n = np.arange(80) < 30
    beyond = 0
    for _ in range(400):
        common = rng.normal(size=80) + strange_n
        value, error = auroc_difference(*(common + rng.normal(size=(2, 80))), strange_n)
        beyond += abs(value) > 2 * error
    assert 0.01 < beyond / 400 < 0.09
