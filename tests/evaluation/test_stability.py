"""Similarity of latent spaces, against definitions and by construction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.cross_decomposition import CCA

from tybalt_like.evaluation import linear_cka, svcca


def encodings(n: int = 80, k: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a_nk = rng.normal(size=(n, k)) * np.arange(1, k + 1)
    return a_nk, a_nk @ rng.normal(size=(k, k + 2)) + 2 * rng.normal(size=(n, k + 2))


def hsic(k_nn: np.ndarray, l_nn: np.ndarray) -> float:
    """Song et al. (2012), equation 5, term by term over quadruples of distinct samples."""
    n, total = len(k_nn), 0.0
    for i in range(n):
        for j in set(range(n)) - {i}:
            for q in set(range(n)) - {i, j}:
                for r in set(range(n)) - {i, j, q}:
                    total += k_nn[i, j] * (l_nn[i, j] + l_nn[q, r] - 2 * l_nn[i, q])
    return total / (n * (n - 1) * (n - 2) * (n - 3))


def test_cka_is_the_quotient_of_unbiased_hsics() -> None:
    a_nk, b_nl = encodings(n=9)
    gram_a, gram_b = a_nk @ a_nk.T, b_nl @ b_nl.T
    expected = hsic(gram_a, gram_b) / np.sqrt(hsic(gram_a, gram_a) * hsic(gram_b, gram_b))
    assert linear_cka(a_nk, b_nl) == pytest.approx(expected, rel=1e-9)


@given(st.floats(0.01, 100), st.floats(-50, 50), st.integers(0, 100))
def test_rotation_scale_and_shift_do_not_matter(scale: float, shift: float, seed: int) -> None:
    a_nk, b_nl = encodings()
    turned_nk = scale * a_nk @ ortho_group.rvs(6, random_state=seed) + shift
    assert linear_cka(turned_nk, a_nk) == pytest.approx(1)
    assert linear_cka(turned_nk, b_nl) == pytest.approx(linear_cka(a_nk, b_nl))
    assert svcca(turned_nk, a_nk) == pytest.approx(1)
    assert linear_cka(b_nl, a_nk) == pytest.approx(linear_cka(a_nk, b_nl))


def test_unrelated_encodings_with_many_features_are_unrelated() -> None:
    rng = np.random.default_rng(1)
    a_nk, b_nk = rng.normal(size=(2, 120, 100))
    assert abs(linear_cka(a_nk, b_nk)) < 0.05
    new_a, new_b = rng.normal(size=(2, 200, 20))
    learned = svcca(a_nk[:, :20], b_nk[:, :20])
    judged = svcca(a_nk[:, :20], b_nk[:, :20], judged_on=(new_a, new_b))
    assert learned > 0.25  # as many samples as these always agree a little on themselves
    assert abs(judged) < 0.1


def test_svcca_is_the_mean_of_scikit_learns_canonical_correlations() -> None:
    a_nk, b_nl = encodings()
    fitted = CCA(n_components=6, scale=False, max_iter=10_000, tol=1e-12).fit(a_nk, b_nl)
    s, t = fitted.transform(a_nk, b_nl)
    expected = np.mean([np.corrcoef(s[:, i], t[:, i])[0, 1] for i in range(6)])
    assert svcca(a_nk, b_nl, variance=1.0) == pytest.approx(expected, abs=1e-4)


def test_svcca_leaves_out_directions_without_variance() -> None:
    rng = np.random.default_rng(2)
    shared_n1, noise = rng.normal(size=(100, 1)), 1e-3 * rng.normal(size=(2, 100, 3))
    a, b = (np.hstack([shared_n1, extra]) for extra in noise)
    assert svcca(a, b) == pytest.approx(1, abs=1e-3)
    assert svcca(a, b, variance=1.0) < 0.6


def test_what_cannot_be_known_is_missing() -> None:
    a_nk, b_nl = encodings()
    assert np.isnan(linear_cka(a_nk[:3], b_nl[:3]))
    assert np.isnan(linear_cka(np.ones((9, 2)), a_nk[:9]))
    assert np.isnan(svcca(a_nk[:12], b_nl[:12]))  # fewer samples than directions: always 1
    assert np.isnan(svcca(np.ones((80, 2)), a_nk))
