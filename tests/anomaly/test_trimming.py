import numpy as np
import pytest

from tybalt_like.anomaly import pooled, surprise, trimmed


def test_a_group_of_anomalies_cannot_vouch_for_itself() -> None:
    rng = np.random.default_rng(0)
    x_ng = rng.normal(size=(100, 30))
    x_ng[90:] += 3 * rng.normal(size=30)  # ten alike
    assert trimmed(x_ng, share=0.1).tolist() == list(range(90, 100))
    assert trimmed(x_ng, share=0.0).size == 0


@pytest.mark.parametrize("n", [3, 6, 20])
def test_duplicates_and_few_samples_are_no_obstacle(n) -> None:
    assert len(trimmed(np.ones((n, 4)), share=0.3)) == min(int(np.ceil(0.3 * n)), n - 2)


def test_surprise_tells_scores_beyond_all_of_calibration_apart() -> None:
    rng = np.random.default_rng(0)
    calibration = rng.exponential(size=4000)
    score = np.array([0.5, 2.0, 4.0, 9.0, 12.0])
    np.testing.assert_allclose(surprise(score, calibration), score, rtol=0.1)
    assert (np.diff(surprise(np.sort(rng.normal(size=99)), calibration)) >= 0).all()


def test_pooling_two_noisy_detectors_beats_either() -> None:
    rng = np.random.default_rng(0)
    truth = np.r_[np.zeros(500), np.full(500, 1.5)]
    scores = [truth + rng.normal(size=1000) for _ in range(2)]
    pairs = [(score, rng.normal(size=100)) for score in scores]
    for how in ("p_values", "ranks"):
        both = pooled(pairs, how=how)
        right = [np.mean(s[500:, None] > s[:500]) for s in (*scores, both)]
        assert right[2] > max(right[:2]) + 0.02
