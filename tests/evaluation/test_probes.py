"""Probes and clusters, against scikit-learn and on constructed cases."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, silhouette_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tybalt_like.evaluation import (
    classification,
    clusters,
    grouped,
    label_columns,
    mixed_purity,
    probe,
    purity,
    row_space,
)


def groups(n: int, k: int, *, apart: float) -> tuple[np.ndarray, np.ndarray]:
    """Three classes, in a latent space whose features have very different scales."""
    rng = np.random.default_rng(0)
    code_n = np.repeat([0, 1, 2], [n // 2, n // 3, n - n // 2 - n // 3])
    z_nk = rng.normal(size=(n, k))
    z_nk[:, :2] += apart * np.column_stack([code_n, code_n == 1])
    return z_nk * np.logspace(0, 1, k), code_n


@pytest.mark.parametrize("k", [6, 90])
def test_probes_are_scikit_learns(k: int) -> None:
    z_nk, code_n = groups(60, k, apart=1.5)
    measured = probe(z_nk, code_n, repeats=1, seed=7)
    models = {
        "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, tol=1e-6)),
        "knn": KNeighborsClassifier(5),
    }
    for name, model in models.items():
        predicted_n = np.empty_like(code_n)
        for train, test in StratifiedKFold(5, shuffle=True, random_state=7).split(z_nk, code_n):
            predicted_n[test] = model.fit(z_nk[train], code_n[train]).predict(z_nk[test])
        expected = balanced_accuracy_score(code_n, predicted_n)
        # A solver that stops a little earlier may tip one sample.
        slack = {"linear": 0.03, "knn": 1e-12}[name]
        assert measured[f"{name}_balanced_accuracy"].value == pytest.approx(expected, abs=slack)
        f1 = f1_score(code_n, predicted_n, average="macro")
        assert measured[f"{name}_macro_f1"].value == pytest.approx(f1, abs=slack)


def test_classification_measures_are_scikit_learns() -> None:
    rng = np.random.default_rng(3)
    true_n, predicted_n = np.arange(40) % 4, rng.integers(0, 3, 40)  # class 3 is never predicted
    measured = classification(true_n, predicted_n)
    f1 = f1_score(true_n, predicted_n, average="macro", zero_division=0)
    assert measured["macro_f1"].value == pytest.approx(f1)
    recall = balanced_accuracy_score(true_n, predicted_n)
    assert measured["balanced_accuracy"].value == pytest.approx(recall)


def test_standard_errors_are_those_of_the_bootstrap() -> None:
    rng = np.random.default_rng(4)
    true_n = np.repeat([0, 1, 2], [100, 60, 40])
    predicted_n = np.where(rng.random(200) < 0.7, true_n, rng.integers(0, 3, 200))
    draws = [rng.integers(0, 200, 200) for _ in range(400)]
    for name, estimate in classification(true_n, predicted_n).items():
        again = [classification(true_n[d], predicted_n[d])[name].value for d in draws]
        assert estimate.standard_error == pytest.approx(np.std(again), rel=0.15), name


def test_nothing_is_read_from_noise_and_everything_from_groups_far_apart() -> None:
    far_nk, code_n = groups(90, 6, apart=20)
    found = probe(far_nk, code_n) | clusters(far_nk, code_n)
    assert found["linear_macro_f1"].value == 1
    assert found["ari"].value > 0.95
    noise_nk, _ = groups(90, 6, apart=0)
    lost = probe(noise_nk, code_n)
    for name, estimate in lost.items():
        assert abs(estimate.value - 1 / 3) < 4 * estimate.standard_error + 0.02, name
    assert probe(np.zeros((90, 4)), code_n)["linear_balanced_accuracy"].value == pytest.approx(
        1 / 3
    )
    assert clusters(np.zeros((90, 4)), code_n) == {}


def test_row_space_keeps_distances_and_silhouettes() -> None:
    x_ng, code_n = groups(30, 200, apart=2)
    small_nr = row_space(x_ng)
    assert small_nr.shape == (30, 30)
    np.testing.assert_allclose(pdist(small_nr), pdist(x_ng), rtol=1e-9)
    measured = clusters(small_nr, code_n)["silhouette"].value
    assert measured == pytest.approx(silhouette_score(x_ng, code_n), abs=1e-9)


def test_purity_is_one_for_batches_apart_and_as_mixed_without() -> None:
    far_nk, code_n = groups(90, 6, apart=1000)
    assert purity(far_nk, code_n).value == 1
    noise = np.random.default_rng(5).normal(size=(900, 3))
    code_n = np.random.default_rng(6).integers(0, 2, 900)
    assert purity(noise, code_n).value == pytest.approx(mixed_purity(code_n), abs=0.03)


def test_columns_that_name_groups_are_found() -> None:
    n = 60
    obs = pd.DataFrame(
        {
            "split": ["test"] * n,
            "subtype": ["a"] * 30 + ["b"] * 20 + ["c"] * 6 + ["rare"] * 3 + [None],
            "same": ["x"] * 30 + ["y"] * 20 + ["z"] * 6 + ["seldom"] * 3 + [None],
            "sex": ["female", "male"] * 25 + ["not reported"] * 10,
            "grade": [1, 2, 3] * 20,
            "treated": [True, False] * 30,
            "age": np.linspace(30, 80, n),
            "days": np.arange(n),
            "id": [f"s{i}" for i in range(n)],
            "country": ["nl"] * n,
        }
    )
    found, notes = label_columns(obs, leave_out=["split"])
    assert [labels.column for labels in found] == ["subtype", "sex", "grade", "treated"]
    subtype, sex = found[:2]
    assert subtype.classes == ("a", "b", "c")
    assert (subtype.n, sex.n) == (56, 50)
    assert list(np.bincount(subtype.code_n[subtype.known_n])) == [30, 20, 6]
    assert "same groups the samples as subtype does" in notes
    assert any("subtype (3)" in note and "sex (10)" in note for note in notes)


def test_labels_keep_their_samples() -> None:
    labels = grouped(pd.Series(["b", "a", "", "b"] * 6, name="kind"))
    assert labels.classes == ("a", "b")
    assert list(labels.code_n[:4]) == [1, 0, -1, 1]


def test_what_patients_are_like_is_not_taken_for_what_a_label_is_like() -> None:
    """30 patients of 6 samples each, alike, and a label that has nothing to do with the profile."""
    rng = np.random.default_rng(0)
    patient_n = np.repeat(np.arange(30), 6)
    code_n = rng.permutation(np.arange(30) % 2)[patient_n]
    z_nk = rng.normal(size=(30, 8))[patient_n] + 0.1 * rng.normal(size=(180, 8))
    by_sample, by_patient = probe(z_nk, code_n), probe(z_nk, code_n, group_n=patient_n)
    assert by_sample["knn_balanced_accuracy"].value > 0.95
    for name in ("knn_balanced_accuracy", "linear_balanced_accuracy"):
        found = by_patient[name]
        assert abs(found.value - 0.5) < 2.5 * found.standard_error, name
        # 30 patients are worth 30 samples.
        assert found.standard_error > 1.7 * by_sample["linear_balanced_accuracy"].standard_error


def test_probes_of_two_patients_and_of_classes_of_one_patient() -> None:
    values = pd.Series(["a", "b"] * 10 + ["c"] * 10, name="kind")
    patient_n = np.repeat([0, 1, 2], 10)
    assert grouped(values, patient_n).classes == ("a", "b")
    z_nk, code_n = groups(20, 4, apart=3.0)
    found = probe(z_nk, code_n, group_n=code_n // 2)  # one has a class that the other has not
    assert found["linear_balanced_accuracy"].value == 0
