"""How well treated profiles are predicted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like.perturbation.contents import PairedContents, of_drug
from tybalt_like.perturbation.design import TABLE
from tybalt_like.pl.perturbation import change_scores, gene_changes, shifts
from tybalt_like.report.figure import Figure
from tybalt_like.report.section import Section

NAMES = {
    "gene_correlation": "per gene",
    "treated_gene_correlation": "per gene, of treated profiles",
    "sample_correlation": "per sample",
    "mean_correlation": "of mean changes",
    "explained": "explained",
    "true_correlation": "with the truth",
    "true_gene_correlation": "with the truth, per gene",
}
LABELS = {
    "gene_correlation": "correlation per gene,\nmedian",
    "sample_correlation": "correlation per sample,\nmean",
    "explained": "share of the squared\nchange explained",
}


class Changes(
    Section[PairedContents], name="changes", title="Treated profiles", kind=TABLE, place=40
):
    """A table of every method, with latent shifts and genes for each drug."""

    template = """
<p>Correlation of the predicted with the measured change, and the share of the squared change that is explained: mean ± SD over folds and seeds. All numbers: <a href="changes.tsv">changes.tsv</a>.</p>
{% call ui.sortable("Table of treated profiles", (["drug"] if run.several else []) + ["method"], heads) %}
{% for row in rows %}
<tr{% if row.method == run.model %} class="main"{% endif %}>{% if run.several %}<td>{{ row.drug }}</td>{% endif %}<th scope="row">{{ row.method }}</th>{% for found in row.cells %}<td class="n" data-value="{{ found.mean }}">{% if found.mean == found.mean %}{{ '%.3f' | format(found.mean) }}{% else %}–{% endif %}{% if found.std == found.std %} ± {{ '%.3f' | format(found.std) }}{% endif %}</td>{% endfor %}</tr>
{% endfor %}
{% endcall %}
{{ ui.figures(figures) }}
"""

    def content(self, run: PairedContents) -> dict[str, Any] | None:
        if run.changes.empty:
            return None
        measures = list(run.changes["measure"].unique())
        heads = [NAMES[measure] for measure in measures]
        return {"heads": heads, "rows": rows(run.changes, measures)}

    def figures(self, run: PairedContents) -> Iterator[Figure]:
        if len(run.changes):
            yield Figure(
                "change_scores",
                "Predicted treated profiles beside simple rules",
                "Dot plots of three measures of the predicted changes, one row per method.",
                "One point per held-out fold and seed, the bar is their mean. A prediction that is "
                "the same for all samples has no correlation per gene: it counts as 0. Noise in "
                "the profile before treatment is part of the measured change, and whoever sees "
                "that profile knows it; the ablation shows how much that alone is worth.",
                lambda: change_scores(run.changes, labels=LABELS, first=run.model),
            )
        for number, drug, of in run.drugs():
            latent = of_drug(run.table("latent.tsv.gz"), drug)
            genes = of_drug(run.table("genes.tsv.gz"), drug)
            yield from _figures(latent, genes, number, of)


def rows(changes: pd.DataFrame, measures: list[str]) -> list[dict[str, Any]]:
    """Measures over folds and seeds, mean and SD, per drug and method."""
    keys = ["drug", "method", "measure"]
    cells = changes.groupby(keys, sort=False)["value"].agg(["mean", "std"]).to_dict(orient="index")
    missing = dict.fromkeys(("mean", "std"), float("nan"))
    pairs = changes[["drug", "method"]].drop_duplicates().itertuples(index=False)
    return [
        {
            "drug": drug,
            "method": name,
            "cells": [cells.get((drug, name, measure), missing) for measure in measures],
        }
        for drug, name in pairs
    ]


def _figures(latent: pd.DataFrame, genes: pd.DataFrame, number: int, of: str) -> Iterator[Figure]:
    if len(latent) and {"predicted", "after"} <= set(latent["state"]):
        yield Figure(
            f"shifts_{number}",
            f"Latent space before and after treatment{of}",
            "Two scatter plots of latent positions with arrows from before to after treatment.",
            "Principal components of the latent features of the model trained on all groups. Left: "
            "to where the measured treated profile lies. Right: to where the model expects it.",
            lambda: shifts(latent),
        )
    if len(genes):
        yield Figure(
            f"gene_changes_{number}",
            f"Genes with the largest predicted change{of}",
            "Scatter plot of predicted against measured mean changes, and a dot plot of the "
            "largest ones.",
            "Mean over held-out pairs, in standard deviations of the gene among the training "
            "samples.",
            lambda: gene_changes(genes),
        )
