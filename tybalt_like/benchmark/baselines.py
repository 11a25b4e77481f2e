"""The simple detectors that stand in every table."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from tybalt_like.anomaly import standardised_norm

Array = NDArray[np.float64]
Baseline = Callable[[Array, Array, int], Array]
"""Scores of rows, higher is stranger, from standardised training rows and a seed."""

N_NEIGHBORS = 5
COMPONENTS = 20
PYOD = ("ECOD", "COPOD", "HBOS", "INNE", "LODA")
"""Detectors of PyOD that are fast and need no settings, if it is installed (extra ``pyod``)."""


def norm(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    return standardised_norm(x_ng, train_mg)


def pca_reconstruction(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    residual_ng, _ = _pca(train_mg, x_ng)
    return np.asarray(np.square(residual_ng).mean(1))


def pca_mahalanobis(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    return _pca(train_mg, x_ng)[1]


def knn(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    from sklearn.neighbors import NearestNeighbors

    n = min(N_NEIGHBORS, len(train_mg))
    return np.asarray(NearestNeighbors(n_neighbors=n).fit(train_mg).kneighbors(x_ng)[0].mean(1))


def isolation_forest(train_mg: Array, x_ng: Array, seed: int) -> Array:
    from sklearn.ensemble import IsolationForest

    return np.asarray(-IsolationForest(random_state=seed).fit(train_mg).score_samples(x_ng))


def one_class_svm(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    from sklearn.svm import OneClassSVM

    return np.asarray(-OneClassSVM().fit(train_mg).score_samples(x_ng))


def local_outlier_factor(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    from sklearn.neighbors import LocalOutlierFactor

    n = min(20, len(train_mg) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # duplicated rows
        lof = LocalOutlierFactor(n_neighbors=n, novelty=True).fit(train_mg)
    return np.asarray(-lof.score_samples(x_ng))


BASELINES: dict[str, Baseline] = {
    "norm of the standardised row": norm,
    f"PCA-{COMPONENTS} reconstruction": pca_reconstruction,
    f"PCA-{COMPONENTS} Mahalanobis": pca_mahalanobis,
    f"kNN, {N_NEIGHBORS} neighbours": knn,
    "isolation forest": isolation_forest,
    "one-class SVM": one_class_svm,
    "local outlier factor": local_outlier_factor,
}


def available() -> Iterator[tuple[str, Baseline]]:
    """All baselines, and those of PyOD if it is installed."""
    yield from BASELINES.items()
    if find_spec("pyod") is not None:
        for name in PYOD:
            yield f"PyOD {name}", _of_pyod(name)


def _of_pyod(name: str) -> Baseline:
    def score(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
        from importlib import import_module

        kind = getattr(import_module(f"pyod.models.{name.lower()}"), name)
        return np.asarray(kind().fit(train_mg).decision_function(x_ng), dtype=np.float64)

    return score


def _pca(train_mg: Array, x_ng: Array) -> tuple[Array, Array]:
    """Residuals (n, g), and Mahalanobis distances (n,) in the subspace."""
    from sklearn.decomposition import PCA

    k = min(COMPONENTS, len(train_mg) - 1, train_mg.shape[1])
    pca = PCA(k, svd_solver="full").fit(train_mg)
    z_nk = pca.transform(x_ng)
    scale_k = np.sqrt(np.maximum(pca.explained_variance_, 1e-12 * pca.explained_variance_[0]))
    return x_ng - pca.inverse_transform(z_nk), np.sqrt(np.square(z_nk / scale_k).sum(1))
