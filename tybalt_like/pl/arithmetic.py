"""Latent arithmetic: what a model says of genes, how near it comes, and where a way leads."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import MISSING, styles
from tybalt_like.pl.theme import legible, theme

MODEL, MEASURED, MEANS = "#D55E00", "#0072B2", "#000000"
MARKERS = "osD^v"
MAX_GENES = 20
Z = 1.959964
"""Normal quantile of two-sided 95 % intervals."""


@theme
def contrast_genes(genes: pd.DataFrame, *, unit: str = "scale of the model") -> Figure:
    """The model's change of every gene against the measured one, and the largest by name.

    Parameters
    ----------
    genes
        ``genes`` of a `tl.contrast`.
    unit
        What changes are measured in, for the axes.
    """
    figure, (ax, bars) = plt.subplots(1, 2, figsize=(9.6, 5.0))
    both = genes[["model_change", "measured_change"]].abs().to_numpy()
    limit = 1.08 * (float(both.max()) or 1.0)
    ax.plot([-limit, limit], [-limit, limit], color="#777777", lw=1, label="equal")
    agrees = genes["model_verdict"] == "agrees"
    for shown, color, marker, label in (
        (genes[agrees], MISSING.color, "o", f"agrees ({agrees.sum()})"),
        (genes[~agrees], MODEL, "^", f"differs ({(~agrees).sum()})"),
    ):
        ax.scatter(
            *(shown["measured_change"], shown["model_change"]),
            s=14,
            color=color,
            marker=marker,
            lw=0,
            label=label,
            rasterized=True,
        )
    ax.set(
        xlabel=f"measured on held-out samples ({unit})",
        ylabel=f"by the model ({unit})",
        xlim=(-limit, limit),
        ylim=(-limit, limit),
        box_aspect=1,
        title="all genes",
    )
    ax.legend(loc="upper left")
    top = genes.head(MAX_GENES).iloc[::-1]
    place = np.arange(len(top))
    bars.hlines(place, top["measured_low"], top["measured_high"], color=MEASURED, lw=1.6)
    bars.axvline(0, color="#999999", lw=0.8)
    for column, color, marker, label in (
        ("measured_change", MEASURED, "s", "measured, 95 %"),
        ("mean_change", MEANS, "|", "training means"),
        ("model_change", MODEL, "o", "model"),
    ):
        bars.scatter(top[column], place, s=42, color=color, marker=marker, label=label, zorder=3)
    bars.set_yticks(place, [legible(str(gene), width=18, lines=1) for gene in top["gene"]])
    bars.set(xlabel=f"change ({unit})", title="largest by the model")
    bars.grid(visible=False, axis="y")
    bars.legend(loc="best")
    return figure


@theme
def contrast_agreement(agreement: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Correlation with the measured change, of every rule at every level, beside its ceiling.

    Parameters
    ----------
    agreement
        ``agreement`` of a `tl.contrast`.
    """
    levels, rules = agreement["level"].unique(), agreement["rule"].unique()
    if ax is None:
        ax = plt.subplots(figsize=(6.4, 1.2 + 0.2 * len(levels) * (len(rules) + 1)))[1]
    palette = styles(rules, first=list(rules))
    step = 0.8 / len(rules)
    for i, rule in enumerate(rules):
        rows = agreement[agreement["rule"] == rule].set_index("level")
        place = np.flatnonzero(np.isin(levels, rows.index)) + (i - (len(rules) - 1) / 2) * step
        rows = rows.loc[levels[np.isin(levels, rows.index)]]
        ax.errorbar(
            rows["correlation"],
            place,
            xerr=Z * rows["correlation_se"],
            fmt=MARKERS[i % len(MARKERS)],
            color=palette[rule].color,
            ms=5,
            lw=1.2,
            label=legible(str(rule)),
        )
    highest = agreement.groupby("level", sort=False)["ceiling"].first()
    for i, value in enumerate(highest.loc[list(levels)]):
        label = "ceiling" if i == 0 else None
        ax.plot([value, value], [i - 0.45, i + 0.45], color="#777777", lw=1.4, ls=":", label=label)
    ax.set_yticks(range(len(levels)), [legible(str(level), lines=1) for level in levels])
    ax.set_ylim(len(levels) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.set(xlabel="correlation with the measured change over genes", title="held-out samples")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax


@theme
def interpolation(steps: pd.DataFrame, genes: pd.DataFrame, profile_tg: pd.DataFrame) -> Figure:
    """How far every step is from real samples, and the genes that change most on the way.

    Parameters
    ----------
    steps, genes, profile_tg
        Of a `tl.interpolate`.

    Raises
    ------
    DataError
        If nothing changes on the way.
    """
    if not (genes["change"].abs() > 0).any():
        raise DataError("nothing changes on this way: both ends decode to the same profile")
    figure, (near, course) = plt.subplots(1, 2, figsize=(9.6, 4.2))
    beyond = steps["beyond"].to_numpy(bool)
    near.plot(steps["share"], steps["distance"], color=MEASURED, lw=1.4)
    near.scatter(steps["share"][~beyond], steps["distance"][~beyond], s=26, color=MEASURED)
    if beyond.any():
        near.scatter(
            steps["share"][beyond],
            steps["distance"][beyond],
            s=34,
            color=MODEL,
            marker="^",
            label="outside the data",
            zorder=3,
        )
    near.axhline(steps["usual"].iloc[0], color="#777777", lw=1.2, ls=":", label="95 % of samples")
    near.set(
        xlabel="share of the way",
        ylabel="distance to the nearest training sample\n(decoded, root mean square over genes)",
        title="among real samples?",
    )
    near.set_ylim(bottom=0)
    near.legend(loc="best")
    top = genes.head(8)
    palette = styles(top["gene"], first=list(top["gene"]))
    for i, gene in enumerate(top["gene"]):
        values = profile_tg[gene]
        course.plot(
            profile_tg.index,
            values - values.iloc[0],
            color=palette[gene].color,
            ls=("-", "--")[i % 2],
            label=legible(str(gene), width=18, lines=1),
        )
    course.set(
        xlabel="share of the way", ylabel="change since the start", title="what changes most"
    )
    course.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure
