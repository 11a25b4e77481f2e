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
TREES = 500
MAX_TUNING = 400
"""Training rows that the one-class SVM is tuned on."""
PYOD = ("COPOD", "HBOS", "INNE", "LODA")
"""Detectors of PyOD that are fast and need no settings, if it is installed (extra ``pyod``)."""


def norm(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    return standardised_norm(x_ng, train_mg)


def pca_reconstruction(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    axes = _Axes(train_mg)
    z_nk, off_n = axes.coordinates(x_ng)
    return np.asarray(off_n + np.square(z_nk[:, COMPONENTS:]).sum(1))


def pca_mahalanobis(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    axes = _Axes(train_mg)
    z_nk = axes.coordinates(x_ng)[0][:, :COMPONENTS]
    return np.asarray(np.sqrt((np.square(z_nk) / axes.variance_k[:COMPONENTS]).sum(1)))


def norm_and_reconstruction(train_mg: Array, x_ng: Array, seed: int) -> Array:
    """Both, each in units of how it varies over training rows that did not take part."""
    half_m = np.random.default_rng(seed).permutation(len(train_mg)) % 2 == 0
    total_n = np.zeros(len(x_ng))
    for score in (norm, pca_reconstruction):
        held_m = np.concatenate(
            [score(train_mg[rows_m], train_mg[~rows_m], seed) for rows_m in (half_m, ~half_m)]
        )
        total_n += (score(train_mg, x_ng, seed) - held_m.mean()) / (held_m.std() or 1)
    return total_n


def ledoit_wolf(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    """Squared Mahalanobis distance over all genes, covariance shrunk to a multiple of the
    identity (Ledoit & Wolf, J Multivar Anal 88:365, 2004)."""
    axes = _Axes(train_mg)
    z_nk, off_n = axes.coordinates(x_ng)
    typical = axes.total / axes.n_genes
    shrinkage = axes.shrinkage()
    variance_k = (1 - shrinkage) * axes.variance_k + shrinkage * typical
    off_n /= max(shrinkage * typical, axes.tiny)
    return np.asarray((np.square(z_nk) / variance_k).sum(1) + off_n)


def probabilistic_pca(train_mg: Array, x_ng: Array, seed: int) -> Array:
    """Minus log likelihood (Tipping & Bishop, J R Stat Soc B 61:611, 1999) with the number of
    components under which held-out thirds of the training rows are likeliest."""
    fold_m = np.random.default_rng(seed).permutation(len(train_mg)) % 3
    sizes = [k for k in (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100) if k < len(train_mg) / 3]
    surprise_s = np.zeros(len(sizes))
    for fold in range(3):
        axes, held = _Axes(train_mg[fold_m != fold]), train_mg[fold_m == fold]
        surprise_s += [axes.surprise(held, k).sum() for k in sizes]
    return _Axes(train_mg).surprise(x_ng, sizes[int(np.argmin(surprise_s))])


def knn(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    from sklearn.neighbors import NearestNeighbors

    n = min(N_NEIGHBORS, len(train_mg))
    return np.asarray(NearestNeighbors(n_neighbors=n).fit(train_mg).kneighbors(x_ng)[0].mean(1))


def knn_in_pca(train_mg: Array, x_ng: Array, seed: int) -> Array:
    axes = _Axes(train_mg)
    train_mk, x_nk = (axes.coordinates(rows)[0][:, :COMPONENTS] for rows in (train_mg, x_ng))
    return knn(train_mk, x_nk, seed)


def local_outlier_factor(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    from sklearn.neighbors import LocalOutlierFactor

    n = min(20, len(train_mg) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # duplicated rows
        lof = LocalOutlierFactor(n_neighbors=n, novelty=True).fit(train_mg)
    return np.asarray(-lof.score_samples(x_ng))


def isolation_forest(train_mg: Array, x_ng: Array, seed: int) -> Array:
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(train_mg)
    return np.asarray(-forest.score_samples(x_ng))


def one_class_svm(train_mg: Array, x_ng: Array, seed: int) -> Array:
    """With the width of the kernel and the share of outliers under which held-out training rows
    are told best from rows whose genes were shuffled, each on its own, among the samples: no
    anomaly is needed for it (Theiler & Cai, Proc SPIE 5093:230, 2003)."""
    from sklearn.metrics import roc_auc_score
    from sklearn.metrics.pairwise import euclidean_distances
    from sklearn.svm import OneClassSVM

    rng = np.random.default_rng(seed)
    rows_mg = train_mg[rng.permutation(len(train_mg))[:MAX_TUNING]]
    half = len(rows_mg) // 2
    made_mg = rng.permuted(rows_mg, axis=0)
    among_mm = euclidean_distances(rows_mg[:half], squared=True)
    tested_mg = np.vstack([rows_mg[half:], made_mg])
    tested_mm = euclidean_distances(tested_mg, rows_mg[:half], squared=True)
    truth = np.arange(len(tested_mg)) >= len(rows_mg) - half
    scale = 1 / max(2 * float(train_mg.var(0).sum()), 1e-12)
    best = (-1.0, 0.0, 0.0)
    for gamma in scale * 2.0 ** np.arange(-3, 5):
        for nu in (0.01, 0.05, 0.1, 0.2, 0.5):
            svm = OneClassSVM(kernel="precomputed", nu=nu).fit(np.exp(-gamma * among_mm))
            told = roc_auc_score(truth, -svm.score_samples(np.exp(-gamma * tested_mm)))
            best = max(best, (float(told), -gamma, nu))
    svm = OneClassSVM(gamma=-best[1], nu=best[2]).fit(train_mg)
    return np.asarray(-svm.score_samples(x_ng))


def ecod(train_mg: Array, x_ng: Array, seed: int) -> Array:  # noqa: ARG001
    """Sum over the genes of -log of the smaller tail of the training rows (Li et al., IEEE Trans
    Knowl Data Eng 35:12181, 2023, as in PyOD, which ranks new rows among themselves too)."""
    ordered_mg, m = np.sort(train_mg, axis=0), len(train_mg)
    total_n = np.zeros(len(x_ng))
    for ordered_m, x_n in zip(ordered_mg.T, x_ng.T, strict=True):
        below_n = np.searchsorted(ordered_m, x_n, side="right")
        above_n = m - np.searchsorted(ordered_m, x_n, side="left")
        total_n -= np.log((np.minimum(below_n, above_n) + 1) / (m + 1))
    return total_n


BASELINES: dict[str, Baseline] = {
    "norm of the standardised row": norm,
    f"PCA-{COMPONENTS} reconstruction": pca_reconstruction,
    f"PCA-{COMPONENTS} Mahalanobis": pca_mahalanobis,
    f"norm + PCA-{COMPONENTS} reconstruction": norm_and_reconstruction,
    "Ledoit-Wolf Mahalanobis": ledoit_wolf,
    "probabilistic PCA": probabilistic_pca,
    f"kNN, {N_NEIGHBORS} neighbours": knn,
    f"kNN on PCA-{COMPONENTS}": knn_in_pca,
    "local outlier factor": local_outlier_factor,
    "isolation forest": isolation_forest,
    "one-class SVM": one_class_svm,
    "ECOD": ecod,
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


class _Axes:
    """All principal axes of training rows, through the smaller of their two Gram matrices.

    Attributes
    ----------
    variance_k
        Along each axis, largest first (divisor m).
    total
        Variance of all genes together.
    """

    def __init__(self, train_mg: Array) -> None:
        self.mean_g = train_mg.mean(0)
        x_mg = train_mg - self.mean_g
        self._m, self.n_genes = x_mg.shape
        wide = self._m < self.n_genes
        value_k, vector = np.linalg.eigh(x_mg @ x_mg.T if wide else x_mg.T @ x_mg)
        value_k, vector = value_k[::-1], vector[:, ::-1]
        kept = value_k > 1e-10 * value_k[0]
        value_k, vector = value_k[kept], vector[:, kept]
        self.variance_k = value_k / self._m
        self.axes_gk = x_mg.T @ (vector / np.sqrt(value_k)) if wide else vector
        self.total = float(self.variance_k.sum())
        self.tiny = 1e-10 * self.total / self.n_genes
        self._fourth = float(np.square(np.square(x_mg).sum(1)).mean())

    def coordinates(self, x_ng: Array) -> tuple[Array, Array]:
        """Along all axes (n, k), and squared distance off their span (n,)."""
        x_ng = x_ng - self.mean_g
        z_nk = x_ng @ self.axes_gk
        return z_nk, np.maximum(np.square(x_ng).sum(1) - np.square(z_nk).sum(1), 0)

    def shrinkage(self) -> float:
        """Ledoit and Wolf's weight of the identity, from 0 to 1."""
        squares = float(np.square(self.variance_k).sum())
        apart = squares - self.total**2 / self.n_genes
        return float(np.clip((self._fourth - squares) / self._m / max(apart, 1e-300), 0, 1))

    def surprise(self, x_ng: Array, k: int) -> Array:
        """Minus log likelihood of rows under a probabilistic PCA with k components, (n,)."""
        z_nk, off_n = self.coordinates(x_ng)
        variance_k = self.variance_k[:k]
        rest = self.n_genes - len(variance_k)
        noise = max((self.total - float(variance_k.sum())) / max(rest, 1), self.tiny)
        off_n = off_n + np.square(z_nk[:, k:]).sum(1)
        constant = np.log(variance_k).sum() + rest * np.log(noise)
        distance_n = (np.square(z_nk[:, :k]) / variance_k).sum(1) + off_n / noise
        return np.asarray(0.5 * (constant + distance_n))
