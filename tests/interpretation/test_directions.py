"""Directions between groups: what they tell apart in samples that did not make them."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.interpretation import direction


def correlated(rng: np.random.Generator, n: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Two groups that differ in the first of two features which share noise."""
    second_n = np.arange(n) % 2 == 0
    noise_n = rng.normal(size=n)
    z_nk = np.column_stack([second_n + noise_n + 0.3 * rng.normal(size=n), noise_n])
    return z_nk, second_n


def test_a_probe_cancels_noise_and_moves_as_the_groups_differ() -> None:
    rng = np.random.default_rng(0)
    z_nk, second_n = correlated(rng)
    by_mean, by_probe = (direction(z_nk, ~second_n, second_n, how=how) for how in ("mean", "probe"))
    assert by_probe.auroc.value > by_mean.auroc.value + 0.1
    # Discriminant analysis is the best there is here; moves are along the difference of the means.
    lda_k = LinearDiscriminantAnalysis().fit(z_nk, second_n).coef_[0]
    read_k = by_probe.axes.reading_kj[:, 0]
    assert lda_k @ read_k / np.linalg.norm(lda_k) / np.linalg.norm(read_k) > 0.99
    move_k = by_probe.axes.moves_jk[0]
    assert abs(move_k[1] / move_k[0]) < 0.2
    assert by_probe.axes.scores(z_nk)[second_n].mean() > 0
    assert (by_probe.n_first, by_probe.n_second) == (1000, 1000)


@pytest.mark.parametrize("how", ["mean", "probe"])
def test_labels_at_random_are_guessed_and_the_error_is_right(how: str) -> None:
    """More features than a probe can do without being optimistic: 30 for 60 samples."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(60):
        z_nk, second_n = rng.normal(size=(60, 30)), rng.permutation(60) < 25
        found.append(direction(z_nk, ~second_n, second_n, how=how).auroc)
    value = np.array([auroc.value for auroc in found])
    assert abs(value.mean() - 0.5) < 3 * value.std() / np.sqrt(60) + 0.01
    assert np.mean([auroc.standard_error for auroc in found]) == pytest.approx(value.std(), rel=0.4)


def test_samples_of_a_patient_stay_together() -> None:
    """Ten samples of each of 20 patients, known by their own noise, with labels at random."""
    rng = np.random.default_rng(2)
    aurocs = {"alone": [], "together": [], "error": []}
    for _ in range(10):
        patient_n = np.repeat(np.arange(20), 10)
        second_n = (rng.permutation(20) < 10)[patient_n]
        z_nk = rng.normal(size=(20, 10))[patient_n] + 0.1 * rng.normal(size=(200, 10))
        alone = direction(z_nk, ~second_n, second_n)
        together = direction(z_nk, ~second_n, second_n, group_n=patient_n)
        aurocs["alone"].append(alone.auroc.value)
        aurocs["together"].append(together.auroc.value)
        assert together.auroc.standard_error > 2 * alone.auroc.standard_error
    assert np.mean(aurocs["alone"]) > 0.8
    assert np.mean(aurocs["together"]) < 0.6


def test_too_few_are_refused_in_a_sentence() -> None:
    z_nk, second_n = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) < 4
    with pytest.raises(DataError, match=r"the second of the two groups has 4 samples; .* takes 5"):
        direction(z_nk, ~second_n, second_n)
    second_n = np.arange(30) < 15
    with pytest.raises(DataError, match="the first of the two groups has 3 units"):
        direction(z_nk, ~second_n, second_n, group_n=np.arange(30) // 5)
    with pytest.raises(RecipeError, match="unknown direction 'svm'; choose 'mean' or 'probe'"):
        direction(z_nk, ~second_n, second_n, how="svm")
