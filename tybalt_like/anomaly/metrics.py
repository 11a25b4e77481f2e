"""How well scores find what the labels call anomalous, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

COLUMNS = [
    *("detector", "anomaly", "n_normal", "n_anomaly", "prevalence"),
    *("auroc", "auroc_low", "auroc_high", "auprc"),
]
Z = 1.959964
"""Normal quantile of two-sided 95 % intervals."""


class Area(NamedTuple):
    """Under the ROC curve, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """Of two AUROCs, and its standard error."""

    value: float
    error: float


def together(anomalies: Sequence[str]) -> str:
    """What the row of all anomalies is called: "all", or more if a label has that name."""
    name = "all"
    while name in anomalies:
        name += " anomalies"
    return name


def detection_metrics(
    scores: Mapping[Any, ArrayLike],
    *,
    label_n: Sequence[str],
    normal_n: NDArray[np.bool_],
    anomalies: Sequence[str],
) -> pd.DataFrame:
    """Area under the ROC and the precision-recall curve (average precision) per detector.

    Parameters
    ----------
    scores
        Detector -> score of every sample, higher is stranger.
    label_n
        Label of every sample.
    normal_n
        True for the held-out reference samples that anomalies are compared with.
    anomalies
        Labels to be found, each against the normals; with more than one, all of them too
        (`together`).

    Returns
    -------
    pandas.DataFrame
        Long table with the columns `COLUMNS`; ``auroc_low`` and ``auroc_high`` are those of
        `auroc_interval`. AUPRC depends on the prevalence: compare it within one ``anomaly`` only.
    """
    from sklearn.metrics import average_precision_score

    labels = np.asarray(label_n, dtype=object)
    sets = {name: (labels == name) & ~normal_n for name in anomalies}
    if len(sets) > 1:
        sets[together(anomalies)] = np.logical_or.reduce(list(sets.values()))
    rows = []
    for anomaly, strange_n in sets.items():
        used_n = normal_n | strange_n
        truth = strange_n[used_n]
        if truth.all() or not truth.any():
            continue
        about = [int((~truth).sum()), int(truth.sum()), float(truth.mean())]
        for detector, score_n in scores.items():
            score = np.asarray(score_n, dtype=np.float64)[used_n]
            area = auroc_interval(score, truth)
            auprc = float(average_precision_score(truth, score))
            rows.append([detector, anomaly, *about, *area, auprc])
    return pd.DataFrame(rows, columns=COLUMNS)


def auroc_interval(score_n: ArrayLike, strange_n: NDArray[np.bool_]) -> Area:
    """AUROC with its 95 % interval.

    The wider of two: DeLong's standard error (DeLong et al., Biometrics 44:837, 1988) on the
    logit scale, and the score interval of Newcombe (Stat Med 25:559, 2006, method 5). The first
    alone shrinks to nothing where a few samples happen to be in perfect order; the second alone
    takes anomalies and normal samples to vary alike.

    Parameters
    ----------
    score_n
        Higher is stranger.
    strange_n
        True for the anomalies; at least one sample is, and at least one is not.

    Examples
    --------
    >>> import numpy as np
    >>> from tybalt_like import anomaly
    >>> strange_n = np.array([False, False, False, True, False, True])
    >>> area, low, high = anomaly.auroc_interval([1, 2, 3, 4, 5, 6], strange_n)
    >>> print(f"{area:.3f} ({low:.2f} to {high:.2f})")
    0.875 (0.23 to 0.99)
    """
    at_a, at_m = _placements(np.asarray(score_n, dtype=np.float64), strange_n)
    area, error = float(at_a.mean()), _error(at_a, at_m)
    low, high = _newcombe(area, len(at_a), len(at_m))
    if 0 < area < 1 and np.isfinite(error):
        logit, width = np.log(area / (1 - area)), Z * error / (area * (1 - area))
        low = min(low, float(1 / (1 + np.exp(width - logit))))
        high = max(high, float(1 / (1 + np.exp(-width - logit))))
    return Area(area, low, high)


def auroc_difference(
    score_n: ArrayLike, other_n: ArrayLike, strange_n: NDArray[np.bool_]
) -> Difference:
    """AUROC of one score less that of another on the same samples, with its standard error.

    DeLong's, which takes into account that both err on the same samples, computed from ranks
    (Sun & Xu, IEEE Signal Process Lett 21:1389, 2014). Infinite if there are fewer than two
    anomalies or normal samples.

    Parameters
    ----------
    score_n, other_n
        Higher is stranger.
    strange_n
        True for the anomalies.
    """
    at_a, at_m = _placements(np.asarray(score_n, dtype=np.float64), strange_n)
    other_a, other_m = _placements(np.asarray(other_n, dtype=np.float64), strange_n)
    return Difference(float((at_a - other_a).mean()), _error(at_a - other_a, at_m - other_m))


def _placements(score_n: Array, strange_n: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The share of normal samples below each anomaly, and of anomalies above each normal sample,
    ties half: both have the AUROC as their mean."""
    from scipy.stats import rankdata

    rank_n = rankdata(score_n)
    below_a = rank_n[strange_n] - rankdata(score_n[strange_n])
    below_m = rank_n[~strange_n] - rankdata(score_n[~strange_n])
    return below_a / len(below_m), 1 - below_m / len(below_a)


def _error(at_a: Array, at_m: Array) -> float:
    """DeLong's standard error of a mean placement."""
    if min(len(at_a), len(at_m)) < 2:
        return float("inf")
    return float(np.sqrt(at_a.var(ddof=1) / len(at_a) + at_m.var(ddof=1) / len(at_m)))


def _newcombe(area: float, n_strange: int, n_normal: int) -> tuple[float, float]:
    """The smallest and the largest AUROC from which the one seen is at most `Z` errors away."""
    from scipy.optimize import brentq

    def beyond(true: float) -> float:
        others = (n_strange + n_normal) / 2 - 1
        variance = true * (1 - true) / (n_strange * n_normal)
        variance *= 1 + others * ((1 - true) / (2 - true) + true / (1 + true))
        return abs(area - true) - Z * float(np.sqrt(variance))

    inside = min(max(area, 1e-9), 1 - 1e-9)  # at 0 and 1 the variance is 0
    low = float(brentq(beyond, 0, inside)) if area > 0 else 0.0
    high = float(brentq(beyond, inside, 1)) if area < 1 else 1.0
    return low, high
