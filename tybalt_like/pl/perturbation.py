"""Treated samples: where they move, which genes change, and how well responses are predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import MISSING, UP, styles
from tybalt_like.pl.theme import legible, theme

PREDICTED, MEASURED = UP, "#0072B2"
MAX_ARROWS = 60
MAX_GENES = 20
MAX_SHOWN = 60
"""Samples drawn with their interval, and points drawn large."""
INK = "#222222"


@theme
def shifts(latent: pd.DataFrame, *, seed: int = 0) -> Figure:
    """Latent positions before treatment, with arrows to those after it: measured and predicted.

    Parameters
    ----------
    latent
        Columns ``sample, state, pc1, pc2`` with the states ``before``, ``after`` and
        ``predicted``. Arrows are drawn for at most 60 samples, chosen at random.
    """
    of_state = {str(state): part.set_index("sample") for state, part in latent.groupby("state")}
    before = of_state["before"]
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 4.5), sharex=True, sharey=True)
    panels = (("after", "measured", MEASURED), ("predicted", "predicted", PREDICTED))
    pairs = before.index
    for state, _, _ in panels:
        if state in of_state:
            pairs = pairs.intersection(of_state[state].index, sort=False)
    chosen = np.random.default_rng(seed).permutation(len(pairs))[:MAX_ARROWS]
    for ax, (state, name, color) in zip(axes, panels, strict=True):
        ax.scatter(before["pc1"], before["pc2"], s=14, color=MISSING.color, lw=0, label="before")
        if state in of_state:
            start, end = (
                t.loc[pairs, ["pc1", "pc2"]].to_numpy() for t in (before, of_state[state])
            )
            for i in chosen:
                ax.annotate(
                    "",
                    end[i],
                    start[i],
                    arrowprops={"arrowstyle": "-|>", "color": color, "lw": 0.9, "alpha": 0.75},
                )
            ax.scatter(*end[chosen].T, s=16, color=color, lw=0, label=f"after, {name}")
        ax.set(xlabel="latent PC 1", ylabel="latent PC 2", title=f"{name} change")
        ax.legend(loc="best")
    _room(axes[0], latent)
    return figure


@theme
def gene_changes(genes: pd.DataFrame) -> Figure:
    """Predicted against measured mean change of all genes, and the largest predicted ones.

    Parameters
    ----------
    genes
        Columns ``gene, measured, predicted``.
    """
    order = genes["predicted"].abs().sort_values(ascending=False, kind="stable").index
    top = genes.loc[order[:MAX_GENES]].sort_values("predicted", kind="stable")
    figure, (ax, bars) = plt.subplots(1, 2, figsize=(9.4, 4.9))
    limit = 1.08 * float(genes[["measured", "predicted"]].abs().to_numpy().max() or 1.0)
    ax.plot([-limit, limit], [-limit, limit], color="#777777", lw=1, label="equal")
    ax.scatter(
        genes["measured"], genes["predicted"], s=10, color=MISSING.color, lw=0, rasterized=True
    )
    ax.scatter(top["measured"], top["predicted"], s=20, color=PREDICTED, lw=0, label="on the right")
    ax.set(
        xlabel="measured mean change (SD of the gene)",
        ylabel="predicted mean change (SD of the gene)",
        xlim=(-limit, limit),
        ylim=(-limit, limit),
        box_aspect=1,
    )
    ax.legend(loc="upper left")
    place = np.arange(len(top))
    bars.hlines(place, top["measured"], top["predicted"], color="#BBBBBB", lw=1.2)
    bars.axvline(0, color="#999999", lw=0.8)
    bars.scatter(top["measured"], place, s=30, color=MEASURED, marker="s", label="measured")
    bars.scatter(top["predicted"], place, s=34, color=PREDICTED, label="predicted")
    bars.set_yticks(place, [legible(str(gene), width=18, lines=1) for gene in top["gene"]])
    bars.set(xlabel="mean change (SD of the gene)", title="largest predicted changes")
    bars.grid(visible=False, axis="y")
    bars.legend(loc="best")
    return figure


@theme
def response_curves(predictions: pd.DataFrame, areas: Mapping[str, Mapping[str, float]]) -> Figure:
    """ROC and precision-recall curves of several methods; the first is drawn thick.

    Parameters
    ----------
    predictions
        Columns ``fold``, ``seed``, ``y`` (0, 1, or NaN for unknown) and one score per method.
        Scores become ranks within their fold, whose models need not share a scale.
    areas
        Method -> ``auroc``, ``auprc``, for the legend; its keys are the methods drawn.

    Raises
    ------
    DataError
        If the known responses are of one class.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    known = predictions[predictions["y"].notna()]
    truth = known["y"].to_numpy(float) == 1
    if truth.all() or not truth.any():
        raise DataError("ROC curves need responses of both classes; these are all of one")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.8, 4.9))
    colors = styles(areas, first=list(areas))
    for i, (name, area) in enumerate(areas.items()):
        rank = known.groupby(["seed", "fold"])[name].rank(pct=True).to_numpy()
        look = {"color": colors[name].color, "lw": 1.2 if i else 2.8, "zorder": 2 if i else 3}
        label = legible(name, width=32)
        x, y, _ = roc_curve(truth, rank)
        left.plot(x, y, label=f"{label}: {area['auroc']:.3f}", **look)
        precision, recall, _ = precision_recall_curve(truth, rank)
        left_label = f"{label}: {area['auprc']:.3f}"
        right.plot(recall, precision, drawstyle="steps-post", label=left_label, **look)
    left.plot([0, 1], [0, 1], color="#999999", ls=":", lw=1, label="chance: 0.5")
    right.axhline(truth.mean(), color="#999999", ls=":", lw=1, label=f"chance: {truth.mean():.2f}")
    left.set(xlabel="share of class 0 above the threshold", ylabel="share of class 1 above it")
    right.set(xlabel="recall: share of class 1 found", ylabel="precision: share that is class 1")
    for ax, title, place in (
        (left, "ROC curve (area)", "lower right"),
        (right, "precision-recall (area)", "lower left"),
    ):
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), box_aspect=1, title=title)
        ax.legend(loc=place, fontsize=8)
    return figure


@theme
def intervals(responses: pd.DataFrame, *, measure: str, label: str, first: Sequence[str]) -> Figure:
    """A measure of every method with its 95 % interval, the best on top; one point per seed.

    Parameters
    ----------
    responses
        Columns ``method, measure, value, low, high``.
    first
        Methods in colour.
    """
    part = responses[responses["measure"] == measure]
    order = part.groupby("method")["value"].mean().sort_values(kind="stable").index
    figure, ax = plt.subplots(figsize=(7.4, 0.9 + 0.33 * len(order)))
    for place, method in enumerate(order):
        rows = part[part["method"] == method]
        shift = np.linspace(-0.18, 0.18, len(rows)) if len(rows) > 1 else np.zeros(1)
        color = PREDICTED if method in first else INK
        ax.hlines(place + shift, rows["low"], rows["high"], color=color, lw=1.1, alpha=0.6)
        ax.scatter(rows["value"], place + shift, s=26, color=color, zorder=3, lw=0)
    if measure == "auroc":
        ax.axvline(0.5, color="#999999", ls=":", lw=1)
    ax.set_yticks(range(len(order)), [legible(str(m), width=34, lines=1) for m in order])
    ax.set(xlabel=label)
    ax.grid(visible=False, axis="y")
    return figure


@theme
def change_scores(changes: pd.DataFrame, *, labels: Mapping[str, str], first: str) -> Figure:
    """Measures of predicted profiles, one panel each, a point per row and a bar for the mean.

    Parameters
    ----------
    changes
        Columns ``method, measure, value``.
    labels
        Measure -> axis label; its keys are the measures drawn.
    first
        Method in colour.
    """
    methods = list(changes["method"].unique())[::-1]
    figure, axes = plt.subplots(
        1,
        len(labels),
        figsize=(2.3 + 3.1 * len(labels), 1.2 + 0.36 * len(methods)),
        sharey=True,
        squeeze=False,
    )
    for ax, (measure, label) in zip(axes[0], labels.items(), strict=True):
        part = changes[changes["measure"] == measure]
        for place, method in enumerate(methods):
            value = part.loc[part["method"] == method, "value"].to_numpy(float)
            color = PREDICTED if method == first else INK
            shift = np.linspace(-0.2, 0.2, len(value)) if len(value) > 1 else np.zeros(len(value))
            size = 14 if len(value) <= MAX_SHOWN else 4
            ax.scatter(value, place + shift, s=size, color=color, alpha=0.6, lw=0)
            if len(value):
                ax.vlines(value.mean(), place - 0.32, place + 0.32, color=color, lw=2.2)
        ax.axvline(0, color="#999999", lw=0.8)
        ax.set(xlabel=label)
        ax.grid(visible=False, axis="y")
    axes[0][0].set_yticks(range(len(methods)), [legible(m, width=34, lines=1) for m in methods])
    return figure


@theme
def uncertain_responses(
    predictions: pd.DataFrame, method: str, *, is_binary: bool, ax: Axes | None = None
) -> Axes:
    """Predicted responses of samples whose response is unknown, with 90 % intervals.

    Parameters
    ----------
    predictions
        Columns ``sample, low, high`` and `method`; at most 60 rows, evenly along the ranking, are
        drawn.

    Raises
    ------
    DataError
        If there is no row.
    """
    if predictions.empty:
        raise DataError("the response of every sample is known")
    table = predictions.sort_values(method, kind="stable").reset_index(drop=True)
    rows = np.unique(np.linspace(0, len(table) - 1, min(MAX_SHOWN, len(table))).astype(int))
    shown = table.loc[rows]
    if ax is None:
        ax = plt.subplots(figsize=(8.4, 3.9))[1]
    place = np.arange(len(shown))
    ax.vlines(place, shown["low"], shown["high"], color="#9FC5DD", lw=3, label="90 % interval")
    ax.scatter(place, shown[method], s=20, color=MEASURED, lw=0, zorder=3, label="prediction")
    label = "predicted probability of class 1" if is_binary else "predicted response"
    ax.set(xlabel="samples without a known response, by prediction", ylabel=label)
    if is_binary:
        ax.axhline(0.5, color="#999999", ls=":", lw=1)
        ax.set_ylim(-0.03, 1.03)
    ax.set_xticks([])
    ax.legend(loc="upper left")
    return ax


def _room(ax: Axes, latent: pd.DataFrame) -> None:
    """Limits that arrows, which do not count for them, stay within."""
    for name, set_limits in (("pc1", ax.set_xlim), ("pc2", ax.set_ylim)):
        values: NDArray[np.float64] = latent[name].to_numpy(np.float64)
        margin = 0.06 * (float(np.ptp(values)) or 1.0)
        set_limits(float(values.min()) - margin, float(values.max()) + margin)
