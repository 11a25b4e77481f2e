"""The evaluation of an encoding, beside those of simple ones."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tybalt_like.core.errors import DataError
from tybalt_like.evaluation.report import CHANCE, MEAN
from tybalt_like.pl.palette import MISSING, Palette, Style, styles
from tybalt_like.pl.theme import legible, theme

_MARKERS = "os^DvPX*"
"""One per encoder, so that colour is never the only difference."""
_DASHES = dict(zip(_MARKERS, ("-", "--", "-.", ":", (0, (5, 1)), "-", "-", "-"), strict=True))


def encoder_styles(encoders: Iterable[str], *, model: str) -> dict[str, Style]:
    """Colour and marker of every encoder, the model first; guessing and the mean have none."""
    names = [n for n in dict.fromkeys(encoders) if n not in (CHANCE, MEAN)]
    order = sorted(names, key=lambda name: name != model)
    colors = styles(order, first=order)
    return {
        name: Style(colors[name].color, _MARKERS[i % len(_MARKERS)]) for i, name in enumerate(order)
    }


@theme
def probe_scores(
    table: pd.DataFrame,
    *,
    model: str,
    measure: str = "balanced_accuracy",
    palette: Palette | None = None,
) -> Figure:
    """How well labels are read from each encoding: a row per label column, a dot per encoder.

    Bars are one standard error; a vertical line is what guessing reaches. The column that is
    furthest above guessing is on top.

    Parameters
    ----------
    table
        `EvaluationReport.table`.
    model
        The encoder that is drawn large.
    measure
        ``"balanced_accuracy"`` or ``"macro_f1"``.
    palette
        From `encoder_styles`; made from the table if None.

    Raises
    ------
    DataError
        If the report has no such measure.
    """
    kinds = {f"linear_{measure}": "Logistic regression", f"knn_{measure}": "Nearest neighbours"}
    rows = table[table["metric"].isin(kinds)]
    if rows.empty:
        raise DataError(f"no label column was probed: the report has no {measure}")
    palette = palette or encoder_styles(rows["encoder"], model=model)
    encoders = {name: style for name, style in palette.items() if (rows["encoder"] == name).any()}
    guess = rows[rows["encoder"] == CHANCE].groupby("column")["value"].first()
    best = rows.groupby("column")["value"].max() - guess
    columns = list(best.sort_values(ascending=False, kind="stable").index)
    figure, axes = plt.subplots(
        1, 2, figsize=(10, 1.5 + 0.48 * len(columns)), sharey=True, sharex=True
    )
    offsets = np.linspace(-0.3, 0.3, len(encoders)) if len(encoders) > 1 else [0.0]
    for ax, (metric, heading) in zip(axes, kinds.items(), strict=True):
        _stripes(ax, len(columns))
        for place, column in enumerate(columns):
            ax.vlines(guess[column], place - 0.42, place + 0.42, color="#999999", lw=1.4)
        for offset, (encoder, style) in zip(offsets, encoders.items(), strict=True):
            shown = rows[(rows["encoder"] == encoder) & (rows["metric"] == metric)]
            shown = shown.set_index("column").reindex(columns)
            ax.errorbar(
                shown["value"],
                np.arange(len(columns)) + offset,
                xerr=shown["standard_error"],
                ls="",
                marker=style.marker,
                color=style.color,
                ms=7.5 if encoder == model else 5,
                elinewidth=1.1,
                zorder=3 if encoder == model else 2,
                label=legible(encoder),
            )
        ax.grid(visible=False, axis="y")
        ax.set(title=heading, xlabel=measure.replace("_", " "), ylim=(len(columns) - 0.5, -0.5))
    axes[0].set_yticks(range(len(columns)), [legible(c.replace("_", " ")) for c in columns])
    axes[0].tick_params(axis="y", length=0)
    axes[1].tick_params(axis="y", length=0)
    handles, names = axes[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="#999999", lw=1.4))
    figure.legend(handles, [*names, "guessing"], loc="outside upper center", ncols=len(names) + 1)
    return figure


@theme
def gene_agreement(
    genes: pd.DataFrame,
    *,
    model: str,
    measure: str = "r2",
    palette: Palette | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Share of the genes that each encoder reconstructs at least so well.

    Parameters
    ----------
    genes
        `EvaluationReport.genes`.
    model
        The encoder that is drawn thick.
    measure
        ``"r2"``, ``"pearson"`` or ``"spearman"``; the axis begins at -0.2 and ends at 1.
    palette
        From `encoder_styles`; made from the table if None.

    Raises
    ------
    DataError
        If the table is empty.
    """
    if genes.empty:
        raise DataError("no reconstruction was judged: the report has no genes")
    rows = genes[(genes["encoder"] != MEAN) & genes[measure].notna()]
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 4.2))[1]
    for encoder, style in (palette or encoder_styles(rows["encoder"], model=model)).items():
        value_g = np.sort(rows.loc[rows["encoder"] == encoder, measure].to_numpy(np.float64))
        if not len(value_g):
            continue
        at_least_g = 1 - np.arange(len(value_g)) / len(value_g)
        ax.plot(
            value_g,
            at_least_g,
            color=style.color,
            lw=2.8 if encoder == model else 1.5,
            ls="-" if encoder == model else _DASHES[style.marker],
            zorder=3 if encoder == model else 2,
            label=f"{legible(encoder, lines=1)}: median {np.median(value_g):.2f}",
        )
    ax.axvline(0, color="#999999", ls=":", lw=1)
    name = {"r2": "R2"}.get(measure, measure)
    ax.set(xlim=(-0.2, 1), ylim=(0, 1.02), xlabel=f"{name} of a gene over the test samples")
    ax.set_ylabel("share of the genes at least there")
    ax.yaxis.set_major_formatter("{x:.0%}")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax


@theme
def latent_kl(features: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Bars of the KL divergence of every latent feature, the largest first.

    Parameters
    ----------
    features
        `EvaluationReport.features` of a variational model.

    Raises
    ------
    DataError
        If the model has no posterior.
    """
    if "kl" not in features:
        raise DataError("the model has no posterior, hence no KL divergence")
    ordered = features.sort_values("kl", ascending=False)
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 3.2))[1]
    active_k = ordered["active"].to_numpy(bool)
    places = np.arange(1, len(ordered) + 1)
    for which_k, color, what in (
        (active_k, styles(["all"])["all"].color, "active"),
        (~active_k, MISSING.color, "not active: hardly varies between samples"),
    ):
        if which_k.any():
            label = f"{what} ({which_k.sum()})"
            ax.bar(places[which_k], ordered["kl"][which_k], width=0.8, color=color, label=label)
    ax.grid(visible=False, axis="x")
    ax.set(
        xlabel="latent features, in order",
        ylabel="KL divergence, nats",
        xlim=(0.2, len(places) + 0.8),
    )
    ax.legend(loc="upper right")
    return ax


def _stripes(ax: Axes, n_rows: int) -> None:
    """Every other row on grey, so that dots of one label stay together."""
    for place in range(1, n_rows, 2):
        ax.axhspan(place - 0.5, place + 0.5, color="#F5F5F5", zorder=0)
