"""Quality of samples: closed forms, and what must hold of equal and of distant sets."""

import numpy as np
import pytest

from tybalt_like.images.quality import frechet_distance, precision_recall


def with_moments(mean_k: np.ndarray, covariance_kk: np.ndarray, *, n: int = 400) -> np.ndarray:
    """Rows whose sample mean and covariance are exactly these."""
    x_nk = np.random.default_rng(0).standard_normal((n, len(mean_k)))
    x_nk -= x_nk.mean(0)
    whiten_kk = np.linalg.cholesky(np.linalg.inv(np.cov(x_nk, rowvar=False)))
    return x_nk @ whiten_kk @ np.linalg.cholesky(covariance_kk).T + mean_k


def test_frechet_distance_of_commuting_gaussians_is_known() -> None:
    # |mu - nu|^2 + sum (sqrt a - sqrt b)^2 for covariances diag(a) and diag(b)
    one = with_moments(np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    other = with_moments(np.array([1.0, 2.0, 0.0]), np.diag([4.0, 4.0, 1.0]))
    assert frechet_distance(one, other) == pytest.approx(5 + 1 + 0 + 4)


def test_frechet_distance_of_any_gaussians_is_the_formula() -> None:
    rng = np.random.default_rng(1)
    a_kk, b_kk = (r @ r.T + np.eye(4) for r in rng.standard_normal((2, 4, 4)))
    one, other = with_moments(np.zeros(4), a_kk), with_moments(np.ones(4), b_kk)
    roots = np.sqrt(np.linalg.eigvals(a_kk @ b_kk).real).sum()
    expected = 4 + np.trace(a_kk + b_kk) - 2 * roots
    assert frechet_distance(one, other) == pytest.approx(expected)
    assert frechet_distance(other, one) == pytest.approx(expected)


def test_frechet_distance_to_itself_is_zero_even_where_features_are_constant() -> None:
    x_nk = np.random.default_rng(2).standard_normal((50, 80))  # more features than rows
    x_nk[:, :5] = 3.0
    assert frechet_distance(x_nk, x_nk) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(x_nk, x_nk + 1) == pytest.approx(80, rel=1e-4)


def test_equal_sets_have_precision_and_recall_one_and_distant_ones_none() -> None:
    x_nk = np.random.default_rng(3).standard_normal((1500, 4))  # more than one block
    assert precision_recall(x_nk, x_nk) == (1, 1)
    assert precision_recall(x_nk, x_nk + 100) == (0, 0)


def test_samples_of_one_mode_of_two_are_precise_and_lack_recall() -> None:
    rng = np.random.default_rng(4)
    real_nk = rng.standard_normal((600, 2))
    real_nk[300:] += 50
    precision, recall = precision_recall(real_nk, rng.standard_normal((600, 2)))
    assert precision > 0.9
    assert 0.4 < recall <= 0.5


def test_precision_is_its_definition() -> None:
    rng = np.random.default_rng(5)
    real_nk, made_mk = rng.standard_normal((40, 2)), 2 * rng.standard_normal((30, 2))
    among = np.linalg.norm(real_nk[:, None] - real_nk[None], axis=2)
    radius_n = np.sort(among, axis=1)[:, 3]
    apart_mn = np.linalg.norm(made_mk[:, None] - real_nk[None], axis=2)
    expected = (apart_mn <= radius_n).any(1).mean()
    assert 0.1 < expected < 0.9
    assert precision_recall(real_nk, made_mk).precision == pytest.approx(expected)
