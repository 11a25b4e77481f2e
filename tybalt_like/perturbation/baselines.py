"""Simple predictors of responses, fitted in the same folds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tybalt_like.perturbation.rules import ridge

Floats = NDArray[np.float64]
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse penalties of the logistic regression, chosen among by cross-validation."""
FOLDS = 5
"""Of that cross-validation, which leaves out whole groups as the outer one does."""
MIN_PER_CLASS = 3
MAX_COMPONENTS = 50
GENES, COMPONENTS, LATENTS = "x1", "PCA(x1)", "latents"
"""What responses are predicted from."""
KINDS = ("logistic", "ridge", "forest", "SVM")
ON_GENES = tuple(f"{kind} on {GENES}" for kind in KINDS)


def responses(
    inputs: Mapping[str, tuple[Floats, Floats]],
    y_m: Floats,
    group_m: NDArray[np.str_],
    *,
    is_binary: bool,
    seed: int,
) -> dict[str, Floats]:
    """Scores of test samples by every classifier (or regression) on every input.

    Parameters
    ----------
    inputs
        Name -> features of the labelled training samples, (m, k), and of the test samples, (n, k).
    group_m
        Groups of the training samples.

    Returns
    -------
    dict
        For example ``"logistic on x1"`` -> (n,), higher for class 1.
    """
    found = {}
    for name, (train_mk, test_nk) in inputs.items():
        mean_k, sd_k = train_mk.mean(0), train_mk.std(0)
        sd_k = np.where(sd_k > 1e-8, sd_k, 1.0)
        models = _classifiers(y_m, group_m, seed) if is_binary else _regressions(group_m, seed)
        for kind, model in models.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of scikit-learn about its own next version
                model.fit((train_mk - mean_k) / sd_k, y_m)
                score_n = _score(model, (test_nk - mean_k) / sd_k, is_binary=is_binary)
            found[f"{kind} on {name}"] = score_n
    return found


def _score(model: Any, test_nk: Floats, *, is_binary: bool) -> Floats:
    if not is_binary:
        return np.asarray(model.predict(test_nk), dtype=np.float64)
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(test_nk), dtype=np.float64)
    return np.asarray(model.predict_proba(test_nk)[:, 1], dtype=np.float64)


def _classifiers(y_m: Floats, group_m: NDArray[np.str_], seed: int) -> dict[str, Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.svm import SVC

    logistic: Any = LogisticRegression(C=0.01, max_iter=1000)
    fewest = min(len(np.unique(group_m[y_m == label])) for label in (0, 1))
    if fewest >= MIN_PER_CLASS:
        inner = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
        parts = list(inner.split(y_m, y_m, group_m))
        if all(np.ptp(y_m[rows]) for part in parts for rows in part):  # both classes everywhere
            logistic = LogisticRegressionCV(
                Cs=STRENGTHS, cv=parts, scoring="neg_log_loss", max_iter=1000, tol=1e-3
            )
    return {
        "logistic": logistic,
        "forest": RandomForestClassifier(200, random_state=seed),
        "SVM": SVC(kernel="rbf"),
    }


def _regressions(group_m: NDArray[np.str_], seed: int) -> dict[str, Any]:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.svm import SVR

    return {
        "ridge": ridge(group_m),
        "forest": RandomForestRegressor(200, max_features="sqrt", random_state=seed),
        "SVM": SVR(kernel="rbf"),
    }


def components(train_mg: Floats, others: Mapping[str, Floats], *, k: int) -> dict[str, Floats]:
    """Principal components of the training profiles, of several sets of samples."""
    from sklearn.decomposition import PCA

    k = min(k, MAX_COMPONENTS, *train_mg.shape)
    fitted = PCA(k, svd_solver="full").fit(train_mg)
    return {name: np.asarray(fitted.transform(x_ng)) for name, x_ng in others.items()}
