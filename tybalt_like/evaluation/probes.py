"""What simple classifiers can read from an encoding, cross-validated among held-out samples."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like.evaluation.estimate import Array, Estimate

FOLDS = 5
REPEATS = 2
"""Divisions into folds, over which a sample's predictions are averaged."""
NEIGHBOURS = 5

Codes = NDArray[np.intp]


def probe(
    z_nk: ArrayLike,
    code_n: Codes,
    *,
    group_n: Codes | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> dict[str, Estimate]:
    """How well classes are predicted from an encoding, by two simple classifiers.

    Predicted is always a fold that the classifier has not seen, in stratified five-fold
    cross-validation. ``linear`` is logistic regression (L2, C = 1) on features standardised
    within the training folds; ``knn`` the majority among the 5 nearest samples of the training
    folds. The folds depend on `code_n` and `seed` alone, so that differences between encodings
    of the same samples are paired.

    Parameters
    ----------
    z_nk
        An encoding of samples that nothing was fitted on.
    code_n
        Classes, numbered from 0, each with at least 5 samples.
    group_n
        Numbers of groups, each of which lies in one fold: what is predicted is then new groups,
        and they are the units of the standard errors.
    repeats
        Divisions into folds.

    Returns
    -------
    dict
        ``linear_macro_f1``, ``linear_balanced_accuracy``, ``knn_macro_f1`` and
        ``knn_balanced_accuracy``. Guessing by the classes' frequencies reaches 1 / classes in
        all of them. Standard errors are for the choice of samples; they are a little too small,
        because folds share training samples (Bates, Hastie & Tibshirani, JASA 2024).
    """
    z = np.asarray(z_nk, dtype=np.float64)
    order_nn = _by_distance(z)
    measured: dict[str, list[Estimate]] = {}
    for division in divisions(code_n, group_n, repeats, seed):
        predicted = {"linear": np.empty_like(code_n), "knn": np.empty_like(code_n)}
        for train, test in division:
            predicted["linear"][test] = _linear(z[train], code_n[train], z[test])
            predicted["knn"][test] = _nearest(order_nn[test], train, code_n)
        for name, predicted_n in predicted.items():
            for measure, estimate in classification(code_n, predicted_n).items():
                measured.setdefault(f"{name}_{measure}", []).append(estimate)
    found = {name: Estimate.average(estimates) for name, estimates in measured.items()}
    if group_n is None:
        return found
    return {name: estimate.by_group(group_n) for name, estimate in found.items()}


def classification(true_n: Codes, predicted_n: Codes) -> dict[str, Estimate]:
    """``macro_f1`` and ``balanced_accuracy`` (mean recall), every class counting the same."""
    classes = np.arange(true_n.max() + 1)
    true_nc = (true_n[:, None] == classes).astype(np.float64)
    predicted_nc = (predicted_n[:, None] == classes).astype(np.float64)
    hit_nc, size_c = true_nc * predicted_nc, true_nc.sum(0)
    recall_c = hit_nc.sum(0) / size_c
    recall_nc = (hit_nc - recall_c * true_nc) / np.sqrt(size_c * np.maximum(size_c - 1, 1))
    both_c = size_c + predicted_nc.sum(0)
    f1_c = 2 * hit_nc.sum(0) / both_c
    f1_nc = (2 * hit_nc - f1_c * (true_nc + predicted_nc)) / both_c
    return {
        "macro_f1": Estimate(float(f1_c.mean()), f1_nc.mean(1)),
        "balanced_accuracy": Estimate(float(recall_c.mean()), recall_nc.mean(1)),
    }


def divisions(
    code_n: Codes, group_n: Codes | None, repeats: int, seed: int
) -> Iterator[list[tuple[Codes, Codes]]]:
    """Rows to learn from and rows to predict, of every fold that is not empty."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    folds = FOLDS if group_n is None else min(FOLDS, len(np.unique(group_n)))
    kind = StratifiedKFold if group_n is None else StratifiedGroupKFold
    for repeat in range(repeats):
        cut = kind(folds, shuffle=True, random_state=seed + repeat)
        found = cut.split(np.zeros(len(code_n)), code_n, group_n)
        yield [(train, test) for train, test in found if len(test)]


def purity(z_nk: ArrayLike, code_n: Codes) -> Estimate:
    """Mean share of a sample's 5 nearest neighbours that are of its own class."""
    order_nn = _by_distance(np.asarray(z_nk, dtype=np.float64))
    same_nn = code_n[order_nn[:, 1 : NEIGHBOURS + 1]] == code_n[:, None]
    return Estimate.mean(same_nn.mean(1))


def mixed_purity(code_n: Codes) -> float:
    """`purity` if classes were mixed at random."""
    size_c, n = np.bincount(code_n), len(code_n)
    return float((size_c * (size_c - 1)).sum() / (n * (n - 1)))


def row_space(x_ng: ArrayLike) -> Array:
    """The same rows in as few dimensions as they span: distances and angles stay as they are.

    Genes outnumber samples; whatever goes by inner products alone (kNN, k-means, silhouettes, a
    logistic regression with L2 penalty) gives the same result from n dimensions as from g.
    """
    x: Array = np.asarray(x_ng, dtype=np.float64)
    x = x - x.mean(0)
    if x.shape[1] <= x.shape[0]:
        return x
    value_r, vector_nr = np.linalg.eigh(x @ x.T)
    space_nr: Array = vector_nr * np.sqrt(np.maximum(value_r, 0))
    return space_nr


def _by_distance(z_nk: Array) -> Codes:
    """Samples by distance, (n, n); each comes first in its own row."""
    from sklearn.metrics import pairwise_distances

    distance_nn = pairwise_distances(z_nk)
    np.fill_diagonal(distance_nn, -1.0)
    return np.asarray(distance_nn.argsort(axis=1, kind="stable"))


def _nearest(order_mn: Codes, train: Codes, code_n: Codes) -> Codes:
    """Majority class among each row's first training samples; the smallest of several."""
    allowed_n = np.isin(np.arange(len(code_n)), train)
    allowed_mn = allowed_n[order_mn]
    first_mn = allowed_mn & (allowed_mn.cumsum(axis=1) <= NEIGHBOURS)
    votes_m5 = code_n[order_mn[first_mn]].reshape(len(order_mn), -1)
    votes_mc = (votes_m5[:, :, None] == np.arange(code_n.max() + 1)).sum(1)
    return np.asarray(votes_mc.argmax(1))


def _linear(train_mk: Array, code_m: Codes, test_nk: Array) -> Codes:
    """Classes that a logistic regression predicts."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean_k, sd_k = train_mk.mean(0), train_mk.std(0)
    varies_k = sd_k > 1e-8 * max(1.0, float(np.abs(train_mk).max()))
    train, test = (
        (z[:, varies_k] - mean_k[varies_k]) / sd_k[varies_k] for z in (train_mk, test_nk)
    )
    if train.shape[1] > len(train):
        train, test = _in_row_space(train, test)
    if train.shape[1] == 0 or len(np.unique(code_m)) == 1:
        return np.full(len(test), np.bincount(code_m).argmax())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(max_iter=1000, tol=1e-3).fit(train, code_m)
    return np.asarray(fitted.predict(test))


def _in_row_space(train_mg: Array, test_ng: Array) -> tuple[Array, Array]:
    """Coordinates with the same inner products, as many as training rows; see `row_space`."""
    from scipy.linalg import solve_triangular

    gram_mm = train_mg @ train_mg.T
    # Centred rows are linearly dependent; a grain on the diagonal lets the factor exist.
    gram_mm.flat[:: len(gram_mm) + 1] += 1e-9 * np.trace(gram_mm)
    lower_mm = np.linalg.cholesky(gram_mm)
    test_nm: Array = solve_triangular(lower_mm, train_mg @ test_ng.T, lower=True).T
    return np.asarray(lower_mm, dtype=np.float64), test_nm
