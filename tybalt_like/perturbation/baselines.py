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
"""Penalties of the ridge regression, chosen among by leave-one-out error."""
MIN_PER_CLASS = 3
MAX_COMPONENTS = 50
NO_CHANGE, MEAN_CHANGE, RIDGE = "no change", "mean change", "ridge on x1"
MEAN_BY_CONDITION = "mean change of the condition"
GENES, COMPONENTS, LATENTS = "x1", "PCA(x1)", "latents"
"""What responses are predicted from."""
KINDS = ("logistic", "ridge", "forest", "SVM")
ON_GENES = tuple(f"{kind} on {GENES}" for kind in KINDS)


def responses(
    inputs: Mapping[str, tuple[Floats, Floats]], y_m: Floats, *, is_binary: bool, seed: int
) -> dict[str, Floats]:
    """Scores of test samples by every classifier (or regression) on every input.

    Parameters
    ----------
    inputs
        Name -> features of the labelled training samples, (m, k), and of the test samples, (n, k).

    Returns
    -------
    dict
        For example ``"logistic on x1"`` -> (n,), higher for class 1.
    """
    found = {}
    for name, (train_mk, test_nk) in inputs.items():
        mean_k, sd_k = train_mk.mean(0), train_mk.std(0)
        sd_k = np.where(sd_k > 1e-8, sd_k, 1.0)
        models = _classifiers(y_m, seed) if is_binary else _regressions(seed)
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


def _classifiers(y_m: Floats, seed: int) -> dict[str, Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import SVC

    fewest = int(min((y_m == 0).sum(), (y_m == 1).sum()))
    inner = StratifiedKFold(min(5, max(2, fewest)), shuffle=True, random_state=seed)
    logistic = (
        LogisticRegressionCV(
            Cs=STRENGTHS, cv=inner, scoring="neg_log_loss", max_iter=1000, tol=1e-3
        )
        if fewest >= MIN_PER_CLASS
        else LogisticRegression(C=0.01, max_iter=1000)
    )
    return {
        "logistic": logistic,
        "forest": RandomForestClassifier(200, random_state=seed),
        "SVM": SVC(kernel="rbf"),
    }


def _regressions(seed: int) -> dict[str, Any]:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.svm import SVR

    return {
        "ridge": RidgeCV(PENALTIES),
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
    x1_mg: Floats, x2_mg: Floats, test_ng: Floats, *, c_mc: Floats, c_nc: Floats
) -> dict[str, Floats]:
    """Treated profiles of test samples, (n, g), as simple rules predict them from training pairs.

    `c_mc` and `c_nc` are the conditions that the model knows too, one-hot; (m, 0) without any.
    """
    change_mg = x2_mg - x1_mg
    mean_g = change_mg.mean(0)
    found = {NO_CHANGE: test_ng.copy(), MEAN_CHANGE: test_ng + mean_g}
    if c_mc.shape[1]:
        found[MEAN_BY_CONDITION] = test_ng + _ridge(c_mc, change_mg, c_nc)
    inputs = np.hstack([x1_mg, c_mc]), np.hstack([test_ng, c_nc])
    found[RIDGE] = _ridge(inputs[0], x2_mg, inputs[1])
    return found


def _ridge(x_mk: Floats, y_mg: Floats, test_nk: Floats) -> Floats:
    from sklearn.linear_model import RidgeCV

    return np.asarray(RidgeCV(PENALTIES).fit(x_mk, y_mg).predict(test_nk))
