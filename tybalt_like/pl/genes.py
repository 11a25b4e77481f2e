"""Why one sample is strange."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from tybalt_like.core.errors import DataError
from tybalt_like.pl.palette import DOWN, UP
from tybalt_like.pl.theme import legible, theme


@theme
def gene_residuals(
    gene_scores: pd.DataFrame, sample: str, *, n_top: int = 20, ax: Axes | None = None
) -> Axes:
    """Bars of the genes that the model misses by most in one sample.

    Parameters
    ----------
    gene_scores
        Columns ``sample, rank, gene, z``, as `anomaly.gene_scores` makes them.
    sample
        Name of the sample.
    n_top
        Number of genes.

    Raises
    ------
    DataError
        If the table does not hold the sample.
    """
    rows = gene_scores[gene_scores["sample"] == sample].nsmallest(n_top, "rank")
    if rows.empty:
        raise DataError(
            f"the gene table holds no sample {sample!r}; only flagged samples are in it"
        )
    if ax is None:
        ax = plt.subplots(figsize=(5.2, 0.8 + 0.23 * len(rows)))[1]
    places = range(len(rows))
    ax.barh(places, rows["z"], color=[UP if z > 0 else DOWN for z in rows["z"]], height=0.72)
    ax.set_yticks(places, [legible(str(gene), lines=1) for gene in rows["gene"]])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.axvline(0, color="#222222", lw=0.8)
    ax.grid(visible=False, axis="y")
    ax.set(xlabel="observed - expected, in standard deviations", title=legible(sample, width=48))
    present = [(rows["z"] > 0).any(), (rows["z"] <= 0).any()]
    entries = [(UP, "higher than expected"), (DOWN, "lower than expected")]
    handles = [
        Patch(color=c, label=t) for (c, t), here in zip(entries, present, strict=True) if here
    ]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax
