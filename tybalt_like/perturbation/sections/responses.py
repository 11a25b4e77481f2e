"""How well responses are predicted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like.perturbation.contents import PairedContents, of_drug
from tybalt_like.perturbation.design import TABLE
from tybalt_like.perturbation.training import ablation
from tybalt_like.pl.perturbation import intervals, response_curves
from tybalt_like.report.figure import Figure
from tybalt_like.report.section import Section

CURVES = 6
"""Curves in one panel."""
NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "correlation": "correlation",
    "rank_correlation": "rank correlation",
}
LABELS = {
    "auroc": "AUROC, with 95 % interval",
    "correlation": "correlation with the known response, with 95 % interval",
}


class Responses(Section[PairedContents], name="responses", title="Responses", kind=TABLE, place=30):
    """A table of every method, with curves and intervals for each drug."""

    template = """
<p>Mean over seeds, with 95 % bootstrap intervals over held-out groups. All numbers: {{ ui.file("responses.tsv") }}.</p>
{% call ui.sortable("Table of responses", (["drug"] if run.several else []) + ["method"], heads) %}
{% for row in rows %}
<tr{% if row.method == run.model %} class="main"{% endif %}>{% if run.several %}<td>{{ row.drug }}</td>{% endif %}<th scope="row">{{ row.method }}</th>{% for found in row.cells %}{{ ui.n(found.value, '%.3f' | format(found.value) if found.value == found.value else '–') }}<td class="n">{% if found.low == found.low %}{{ '%.3f' | format(found.low) }} – {{ '%.3f' | format(found.high) }}{% else %}–{% endif %}</td>{% endfor %}</tr>
{% endfor %}
{% endcall %}
{{ ui.figures(figures) }}
"""

    def content(self, run: PairedContents) -> dict[str, Any] | None:
        if run.responses.empty:
            return None
        measures = list(run.responses["measure"].unique())
        heads = [head for measure in measures for head in (NAMES[measure], "95 % interval")]
        return {"heads": heads, "rows": rows(run.responses, measures)}

    def figures(self, run: PairedContents) -> Iterator[Figure]:
        for number, drug, of in run.drugs():
            responses = of_drug(run.responses, drug)
            if len(responses):
                yield from _figures(run, drug, responses, number, of)


def rows(responses: pd.DataFrame, measures: list[str]) -> list[dict[str, Any]]:
    """One row per drug and method, mean over seeds, the best first."""
    by = responses.groupby(["drug", "method", "measure"])[["value", "low", "high"]]
    cells = by.mean().to_dict(orient="index")
    pairs = responses[["drug", "method"]].drop_duplicates().itertuples(index=False)
    found = [
        {
            "drug": drug,
            "method": method,
            "cells": [cells[drug, method, measure] for measure in measures],
        }
        for drug, method in pairs
    ]
    return sorted(found, key=lambda row: (row["drug"], -row["cells"][0]["value"]))


def _figures(
    run: PairedContents, drug: str, responses: pd.DataFrame, number: int, of: str
) -> Iterator[Figure]:
    measure = str(responses["measure"].iloc[0])
    if measure == "auroc" and responses["value"].notna().any():
        predictions, areas = of_drug(run.predictions, drug), _areas(responses, run.model)
        yield Figure(
            f"response_curves_{number}",
            f"Response: ROC and precision-recall{of}",
            "ROC and precision-recall curves of the model and the best baselines.",
            f"Held-out samples of all folds and seeds; the {CURVES} methods with the largest "
            "AUROC, the model first. Which baseline is best is known only afterwards.",
            lambda: response_curves(predictions, areas),
        )
    yield Figure(
        f"response_scores_{number}",
        f"Response: every method{of}",
        "Dot plot of every method with its 95 % interval.",
        "One point per seed, with the bootstrap interval over held-out groups. In colour: the "
        "model and its ablation, for which treatment changes nothing.",
        lambda: intervals(
            responses,
            measure=measure,
            label=LABELS[measure],
            first=[run.model, ablation(run.model)],
        ),
    )


def _areas(responses: pd.DataFrame, model: str) -> dict[str, dict[str, float]]:
    """The model and the best of the others, with their areas."""
    wide = responses.pivot_table(index="method", columns="measure", values="value", aggfunc="mean")
    best = wide.drop(index=model).sort_values("auroc", ascending=False, kind="stable")
    names = [model, *best.index[: CURVES - 1]]
    return {str(name): wide.loc[name].to_dict() for name in names}
