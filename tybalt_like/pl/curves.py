"""How well detectors find what the labels call anomalous."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import Palette, styles
from tybalt_like.pl.theme import legible, theme

Curve = tuple[NDArray[np.float64], NDArray[np.float64], float]


@theme
def roc(scores: pd.DataFrame, anomalous: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Receiver operating characteristic of several detectors, with AUROC in the legend.

    Parameters
    ----------
    scores
        One column per detector, higher is stranger; the first is drawn thick, the others are
        what it is compared with.
    anomalous
        Whether each row is an anomaly.

    Raises
    ------
    DataError
        If the rows are not of both kinds.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    def curve(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> Curve:
        x, y, _ = roc_curve(truth, score)
        return x, y, float(roc_auc_score(truth, score))

    ax = _draw_curves(scores, anomalous, curve, measure="AUROC", ax=ax)
    ax.plot([0, 1], [0, 1], color="#999999", ls=":", lw=1, label="chance")
    ax.set(
        xlabel="share of the normal samples above the threshold",
        ylabel="share of the anomalies above the threshold",
    )
    ax.legend(loc="lower right")
    return ax


@theme
def precision_recall(scores: pd.DataFrame, anomalous: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Precision against recall of several detectors, with AUPRC and prevalence in the legend.

    Parameters and errors as in `roc`; AUPRC is the average precision.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    def curve(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> Curve:
        precision, recall, _ = precision_recall_curve(truth, score)
        return recall, precision, float(average_precision_score(truth, score))

    ax = _draw_curves(scores, anomalous, curve, measure="AUPRC", ax=ax)
    prevalence = float(np.asarray(anomalous, dtype=bool).mean())
    ax.axhline(
        prevalence, color="#999999", ls=":", lw=1, label=f"chance: prevalence {prevalence:.2f}"
    )
    ax.set(
        xlabel="recall: share of the anomalies found",
        ylabel="precision: share of anomalies above the threshold",
    )
    ax.legend(loc="lower left")
    return ax


def _draw_curves(
    scores: pd.DataFrame,
    anomalous: ArrayLike,
    curve: Callable[[NDArray[np.bool_], NDArray[np.float64]], Curve],
    *,
    measure: str,
    ax: Axes | None,
) -> Axes:
    truth = np.asarray(anomalous, dtype=bool)
    if truth.all() or not truth.any():
        raise DataError(f"{measure} needs normal samples and anomalies; these are of one kind")
    if ax is None:
        ax = plt.subplots(figsize=(4.8, 4.8))[1]
    colors = styles(scores.columns, first=list(scores.columns))
    for i, name in enumerate(scores):
        x, y, area = curve(truth, scores[name].to_numpy(np.float64))
        ax.plot(
            x,
            y,
            color=colors[str(name)].color,
            lw=1.2 if i else 2.8,
            zorder=2 if i else 3,
            drawstyle="steps-post" if measure == "AUPRC" else "default",
            label=f"{legible(str(name), width=32)}: {measure} {area:.3f}",
        )
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), box_aspect=1)
    return ax


@theme
def detection_by_label(
    scored: pd.DataFrame, *, normal: ArrayLike, palette: Palette | None = None
) -> Figure:
    """ROC and precision-recall curves of one score, one of each for every label.

    Parameters
    ----------
    scored
        Columns ``score``, higher is stranger, and ``label``.
    normal
        Whether each row is a normal sample; each label of the others is set against all of them.

    Raises
    ------
    DataError
        If the rows are not of both kinds.
    """
    from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

    normal_n = np.asarray(normal, dtype=bool)
    if normal_n.all() or not normal_n.any():
        raise DataError("curves need normal samples and anomalies; these are of one kind")
    palette = palette or styles(scored["label"])
    figure, axes = plt.subplots(1, 2, figsize=(11.4, 4.9))
    for label, rows in scored[~normal_n].groupby("label"):
        score = np.concatenate([scored["score"][normal_n], rows["score"]])
        truth = np.arange(len(score)) >= normal_n.sum()
        false, true, _ = roc_curve(truth, score)
        precision, recall, _ = precision_recall_curve(truth, score)
        name = f"{legible(str(label))}: AUROC {roc_auc_score(truth, score):.3f}"
        color = palette[str(label)].color
        axes[0].plot(false, true, color=color, lw=1.4, label=name)
        axes[1].plot(recall, precision, color=color, lw=1.4, drawstyle="steps-post")
    axes[0].plot([0, 1], [0, 1], color="#999999", ls=":", lw=1)
    axes[0].set(xlabel="share of the normal samples called", ylabel="share of the label found")
    axes[1].set(xlabel="recall: share of the label found", ylabel="precision")
    for ax in axes:
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), box_aspect=1)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    return figure
