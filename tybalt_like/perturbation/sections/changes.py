"""How well treated profiles are predicted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like.perturbation.contents import PairedContents, of_drug
from tybalt_like.perturbation.design import TABLE
from tybalt_like.perturbation.prediction_tables import compared
from tybalt_like.pl.perturbation import change_scores, gene_changes, shifts
from tybalt_like.report.figure import Figure
from tybalt_like.report.section import Section

NAMES = {
    "treated_correlation": "treated, constant removed",
    "explained": "explained",
    "retrieval": "retrieval",
    "change_correlation": "change, mean removed",
    "sign_accuracy": "sign of changed genes",
    "change_auprc": "AUPRC of changed genes",
    "coverage": "within 90 % interval",
    "width": "width of interval",
    "true_correlation": "treated, without noise",
    "shared_control_correlation": "change, shared control (flattered)",
}
LABELS = {
    "treated_correlation": "treated profiles,\nconstant removed",
    "retrieval": "retrieval of the\nright condition",
    "change_correlation": "changes, mean\nchange removed",
}
LEAD = "treated_correlation"


class Changes(
    Section[PairedContents], name="changes", title="Treated profiles", kind=TABLE, place=40
):
    """A table of every method, with latent shifts and genes for each drug."""

    template = """
<p>How well treated profiles of held-out values are predicted: means over these values, and how far the model is ahead of the others by the first measure, with the standard error over these values. What each measure is: see <a href="#reading">below</a>. All numbers: {{ ui.file("changes.tsv") }}.</p>
{% call ui.sortable("Table of treated profiles", (["drug"] if run.several else []) + ["method"], ["model ahead by"] + heads) %}
{% for row in rows %}
<tr{% if row.method == run.model %} class="main"{% endif %}>{% if run.several %}<td>{{ row.drug }}</td>{% endif %}<th scope="row">{{ row.method }}</th><td class="n" data-value="{{ row.ahead }}">{% if row.method != run.model and row.ahead == row.ahead %}{{ '%+.3f' | format(row.ahead) }}{% if row.se == row.se %} ± {{ '%.3f' | format(row.se) }}{% endif %}{% else %}–{% endif %}</td>{% for value in row.cells %}{{ ui.n(value, '%.3f' | format(value) if value == value else '–') }}{% endfor %}</tr>
{% endfor %}
{% endcall %}
{{ ui.figures(figures) }}
"""

    def content(self, run: PairedContents) -> dict[str, Any] | None:
        if run.changes.empty:
            return None
        found = set(run.changes["measure"])
        measures = [measure for measure in NAMES if measure in found]
        heads = [NAMES[measure] for measure in measures]
        return {"heads": heads, "rows": rows(run.changes, measures, run.model)}

    def figures(self, run: PairedContents) -> Iterator[Figure]:
        if len(run.changes):
            found = set(run.changes["measure"])
            labels = {measure: label for measure, label in LABELS.items() if measure in found}
            yield Figure(
                "change_scores",
                "Predicted treated profiles beside simple rules",
                "Dot plots of measures of the predicted profiles, one row per method.",
                "One point per held-out value, fold and seed; the bar is their mean. The constant, "
                "the same profile for all, has 0 in the first and is right in half of all cases in "
                "the second panel.",
                lambda: change_scores(run.changes, labels=labels, first=run.model),
            )
        for number, drug, of in run.drugs():
            latent = of_drug(run.table("latent.tsv.gz"), drug)
            genes = of_drug(run.table("genes.tsv.gz"), drug)
            yield from _figures(latent, genes, number, of)


def rows(changes: pd.DataFrame, measures: list[str], model: str) -> list[dict[str, Any]]:
    """One row per drug and method: every measure, and how far the model is ahead."""
    found: list[dict[str, Any]] = []
    for drug, part in changes.groupby("drug", sort=False):
        table = compared(part, model)
        for name, of in table.groupby("method", sort=False):
            value = of.set_index("measure")["value"].reindex(measures)
            lead = of[of["measure"] == LEAD].iloc[0]
            how_far = {"ahead": float(lead["ahead"]), "se": float(lead["se"])}
            found.append({"drug": drug, "method": name, "cells": value.tolist(), **how_far})
    return found


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
            "samples; measured against controls that the model does not see, where there are any.",
            lambda: gene_changes(genes),
        )
