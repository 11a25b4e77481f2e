"""Simple predictors of responses and of treated profiles, fitted in the same folds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse penalties of the logistic regression, chosen among by cross-validation."""
PENALTIES = tuple(10.0 ** np.arange(0, 7))
"""Penalties of the ridge regression, chosen among by cross-validation, leave-one-out if groups have
one sample each."""
FOLDS = 5
"""Of these inner cross-validations, which leave out whole groups as the outer one does."""
MIN_PER_CLASS = 3
MAX_COMPONENTS = 50
NO_CHANGE, MEAN_CHANGE, RIDGE = "no change", "mean change", "ridge on x1"
MEAN_BY_CONDITION = "mean change of the condition"
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
        "ridge": _ridge(group_m),
        "forest": RandomForestRegressor(200, max_features="sqrt", random_state=seed),
        "SVM": SVR(kernel="rbf"),
    }


def components(train_mg: Floats, others: Mapping[str, Floats], *, k: int) -> dict[str, Floats]:
    """Principal components of the training profiles, of several sets of samples."""
    from sklearn.decomposition import PCA

    k = min(k, MAX_COMPONENTS, *train_mg.shape)
    fitted = PCA(k, svd_solver="full").fit(train_mg)
    return {name: np.asarray(fitted.transform(x_ng)) for name, x_ng in others.items()}


def treated(
    x1_mg: Floats,
    x2_mg: Floats,
    test_ng: Floats,
    *,
    c_mc: Floats,
    c_nc: Floats,
    group_m: NDArray[np.str_],
) -> dict[str, Floats]:
    """Treated profiles of test samples, (n, g), as simple rules predict them from training pairs.

    `c_mc` and `c_nc` are the conditions that the model knows too, one-hot; (m, 0) without any.
    `group_m` are the groups of the training pairs.
    """
    change_mg = x2_mg - x1_mg
    mean_g = change_mg.mean(0)
    found = {NO_CHANGE: test_ng.copy(), MEAN_CHANGE: test_ng + mean_g}
    if c_mc.shape[1]:
        by_condition = _ridge(group_m).fit(c_mc, change_mg)
        found[MEAN_BY_CONDITION] = test_ng + np.asarray(by_condition.predict(c_nc))
    fitted = _ridge(group_m).fit(np.hstack([x1_mg, c_mc]), x2_mg)
    found[RIDGE] = np.asarray(fitted.predict(np.hstack([test_ng, c_nc])))
    return found


def _ridge(group_m: NDArray[np.str_]) -> Any:
    """Ridge regression that chooses its penalty without taking groups apart."""
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GroupKFold

    n_groups = len(np.unique(group_m))
    if n_groups in (1, len(group_m)):
        return RidgeCV(PENALTIES)
    parts = GroupKFold(min(FOLDS, n_groups)).split(group_m, groups=group_m)
    return RidgeCV(PENALTIES, cv=list(parts), scoring="neg_mean_squared_error")
