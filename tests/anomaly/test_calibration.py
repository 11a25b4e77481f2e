import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from tybalt_like.anomaly import conformal_p_values, q_values

scores = st.lists(st.floats(-5, 5), min_size=1, max_size=30)


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


def test_q_values_leave_missing_ones_out() -> None:
    p_n = np.array([0.01, np.nan, 0.2, 0.03])
    q_n = q_values(p_n)
    np.testing.assert_allclose(q_n[[0, 2, 3]], false_discovery_control(p_n[[0, 2, 3]]))
    assert np.isnan(q_n[1])
