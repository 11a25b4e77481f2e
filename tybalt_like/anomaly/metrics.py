"""How well scores find what the labels call anomalous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

COLUMNS = ["detector", "anomaly", "n_normal", "n_anomaly", "prevalence", "auroc", "auprc"]


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
        Long table with the columns `COLUMNS`. AUPRC depends on the prevalence: compare it within
        one ``anomaly`` only.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

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
            auroc, auprc = roc_auc_score(truth, score), average_precision_score(truth, score)
            rows.append([detector, anomaly, *about, float(auroc), float(auprc)])
    return pd.DataFrame(rows, columns=COLUMNS)
