"""How like real samples synthetic ones are, judged by samples that nothing was learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.anomaly.metrics import Area, auroc_interval
from tybalt_like.core.errors import DataError
from tybalt_like.evaluation import Estimate, classification

Array = NDArray[np.float64]

LEAST = 20
"""Held-out samples that can tell anything."""
TRAINING = "training samples"
"""The source that no synthetic one can be expected to beat."""
N_GENES = 300
"""Genes, drawn at random, whose correlations are compared and that trees see."""
Z = 1.959964
"""Normal quantile of two-sided 95 % intervals."""
COLUMNS = ["source", "measure", "value", "low", "high", "ideal"]


class Labelled(NamedTuple):
    """Profiles and their classes."""

    x_ng: Array
    label_n: NDArray[np.object_]


def fidelity(
    made: Mapping[str, Array], *, train_ng: Array, test_ng: Array, seed: int = 0
) -> pd.DataFrame:
    """Synthetic samples beside held-out real ones.

    Moments are compared among as many samples of a source as there are held-out ones. Classifiers
    learn to tell training samples from half of the synthetic ones, and are judged by held-out
    samples and the other half: an interval holds, because its samples took no part in learning.
    The training samples go through the same as a source of their own, a half of them in the place
    of synthetic ones: so far from the ideal are real samples.

    Parameters
    ----------
    made
        Source -> synthetic profiles, (m, g).
    train_ng, test_ng
        Real profiles that the sources were learned from, and others.
    seed
        Of the choice of samples and genes.

    Returns
    -------
    pandas.DataFrame
        ``source, measure, value, low, high, ideal``. Measures: ``mean error``, the median over
        genes of how far means are apart, in standard deviations; ``sd ratio``, the median over
        genes of synthetic to real standard deviations; ``sd correlation`` of their logarithms;
        ``correlation agreement``, between the gene-gene correlations of both; ``correlation
        ratio``, of the mean squares of these; ``auroc linear`` and ``auroc trees``, of telling
        synthetic from real, with 95 % intervals (.5: cannot be told apart).

    Raises
    ------
    DataError
        If there are fewer than 20 held-out samples, or 40 of another kind.
    """
    sources = dict(made) | {TRAINING: train_ng}
    for name, x_ng in {**sources, "held-out samples": test_ng}.items():
        least = LEAST if x_ng is test_ng else 2 * LEAST  # halves of the others
        if len(x_ng) < least:
            raise DataError(f"{name}: {len(x_ng)} are too few to judge by; {least} are needed")
    rng = np.random.default_rng(seed)
    varies = np.flatnonzero((test_ng.std(0) > 0) & (train_ng.std(0) > 0))
    genes = np.sort(rng.permutation(varies)[:N_GENES])
    rows: list[list[Any]] = []
    for name, x_ng in sources.items():
        m = min(len(x_ng), len(test_ng))
        made_mg = x_ng[rng.permutation(len(x_ng))[:m]]
        real_mg = test_ng[rng.permutation(len(test_ng))[:m]]
        measured = _moments(made_mg[:, varies], real_mg[:, varies])
        measured |= _correlations(made_mg[:, genes], real_mg[:, genes])
        rows += [
            [name, measure, value, np.nan, np.nan, ideal]
            for measure, (value, ideal) in measured.items()
        ]
        real_ng, made_ng = train_ng, x_ng[rng.permutation(len(x_ng))]
        if name == TRAINING:
            real_ng, made_ng = np.array_split(made_ng, 2)
        learned_ng, judged_ng = np.array_split(made_ng, 2)
        for how in ("linear", "trees"):
            area = told_apart(real_ng, learned_ng, test_ng, judged_ng, how=how, seed=seed)
            rows.append([name, f"auroc {how}", *area, 0.5])
    return pd.DataFrame(rows, columns=COLUMNS)


def _moments(made_mg: Array, real_mg: Array) -> dict[str, tuple[float, float]]:
    made_g, real_g = made_mg.std(0, ddof=1), real_mg.std(0, ddof=1)
    both_g = (made_g > 0) & (real_g > 0)
    off_g = np.abs(made_mg.mean(0) - real_mg.mean(0))
    log_2g = np.log(np.stack([made_g, real_g])[:, both_g])
    same = _correlation(*log_2g)
    return {
        "mean error": (float(np.median(off_g[real_g > 0] / real_g[real_g > 0])), 0.0),
        "sd ratio": (float(np.median(made_g[both_g] / real_g[both_g])), 1.0),
        "sd correlation": (same, 1.0),
    }


def _correlations(made_mg: Array, real_mg: Array) -> dict[str, tuple[float, float]]:
    both_g = (made_mg.std(0) > 0) & (real_mg.std(0) > 0)
    above = np.triu_indices(int(both_g.sum()), 1)
    made_p, real_p = (
        np.asarray(np.corrcoef(x_mg[:, both_g], rowvar=False))[above] for x_mg in (made_mg, real_mg)
    )
    return {
        "correlation agreement": (_correlation(made_p, real_p), 1.0),
        "correlation ratio": (float(np.mean(made_p**2) / np.mean(real_p**2)), 1.0),
    }


def _correlation(one: Array, other: Array) -> float:
    one, other = one - one.mean(), other - other.mean()
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norm if norm > 0 else np.nan


def told_apart(
    real_ng: Array,
    made_ng: Array,
    other_real_ng: Array,
    other_made_ng: Array,
    *,
    how: str,
    seed: int,
) -> Area:
    """AUROC of a classifier that learned to tell synthetic from real samples, on others.

    ``"linear"``: logistic regression of all genes; ``"trees"``: gradient boosting of 300 genes at
    random, 20 principal components of the real samples and how far each sample is from their space,
    so that variances, shapes and missing correlations tell too.
    """
    from sklearn.decomposition import PCA
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.preprocessing import StandardScaler

    scale = StandardScaler().fit(np.concatenate([real_ng, made_ng]))
    learned_ng = scale.transform(np.concatenate([real_ng, made_ng]))
    judged_ng = scale.transform(np.concatenate([other_real_ng, other_made_ng]))
    is_made_n = np.repeat([False, True], [len(real_ng), len(made_ng)])
    to_find_n = np.repeat([False, True], [len(other_real_ng), len(other_made_ng)])
    if how == "linear":
        return auroc_interval(
            _logistic(learned_ng, is_made_n).decision_function(judged_ng), to_find_n
        )
    # Fitted to half of the real samples, so that the others are as far from the space as new ones.
    axes_of, real_rows = np.arange(0, len(real_ng), 2), np.arange(1, len(real_ng), 2)
    pca = PCA(min(20, len(axes_of) // 3, learned_ng.shape[1]), svd_solver="full").fit(
        learned_ng[axes_of]
    )
    genes = np.random.default_rng(seed).permutation(learned_ng.shape[1])[:N_GENES]

    def seen(x_ng: Array) -> Array:
        code_nk = pca.transform(x_ng)
        left_n1 = np.square(x_ng - pca.inverse_transform(code_nk)).mean(1, keepdims=True)
        return np.concatenate([x_ng[:, genes], code_nk, left_n1], axis=1)

    rows = np.r_[real_rows, len(real_ng) + np.arange(len(made_ng))]
    trees = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=8, max_bins=63, early_stopping=False, random_state=seed
    )
    trees.fit(seen(learned_ng[rows]), is_made_n[rows])
    return auroc_interval(trees.decision_function(seen(judged_ng)), to_find_n)


def _logistic(x_ng: Array, label_n: NDArray[Any]) -> Any:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=0.1, max_iter=500, tol=1e-3).fit(x_ng, label_n)


def train_on_synthetic(
    made: Mapping[str, Labelled], *, train: Labelled, test: Labelled
) -> pd.DataFrame:
    """Classes of held-out real samples, by a logistic regression that learned from synthetic ones.

    Returns
    -------
    pandas.DataFrame
        ``source``, the training samples first; ``balanced_accuracy`` with its 95 % interval
        ``low``, ``high``; ``behind`` and ``behind_se``: by how much it is below that of the
        training samples, on the same held-out ones.

    Raises
    ------
    DataError
        If held-out samples are fewer than 20, or of a class that was not learned.
    """
    from sklearn.preprocessing import StandardScaler

    classes = sorted(set(train.label_n))
    if len(test.label_n) < LEAST or not set(test.label_n) <= set(classes):
        raise DataError(
            f"{len(test.label_n)} held-out samples of {len(set(test.label_n))} classes cannot "
            f"judge {len(classes)} that were learned; {LEAST} of the same classes are needed"
        )
    true_n = np.searchsorted(classes, list(test.label_n))
    found: dict[str, Estimate] = {}
    for name, (x_ng, label_n) in {TRAINING: train, **made}.items():
        scale = StandardScaler().fit(x_ng)
        fitted = _logistic(scale.transform(x_ng), np.searchsorted(classes, list(label_n)))
        predicted_n = np.asarray(fitted.predict(scale.transform(test.x_ng)), dtype=np.intp)
        found[name] = classification(true_n, predicted_n)["balanced_accuracy"]
    rows = []
    for name, estimate in found.items():
        width, behind = Z * estimate.standard_error, found[TRAINING] - estimate
        rows.append(
            {
                "source": name,
                "balanced_accuracy": estimate.value,
                "low": max(estimate.value - width, 0.0),
                "high": min(estimate.value + width, 1.0),
                "behind": behind.value,
                "behind_se": behind.standard_error,
            }
        )
    return pd.DataFrame(rows)
