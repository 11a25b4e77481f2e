"""How good the encoding is: words, tables and figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like.evaluation.comparison import PROBES, summarise
from tybalt_like.evaluation.report import CHANCE, CITATIONS, GENES, MEAN
from tybalt_like.pl.evaluation import encoder_styles, gene_agreement, latent_kl, probe_scores
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.section import Section

OVERVIEW = {
    "r2": "R2, all genes",
    "gene_r2": "R2 of the median gene",
    "sample_pearson": "Pearson, median sample",
    "sample_spearman": "Spearman, median sample",
    "cka": "CKA of two trainings",
    "svcca": "SVCCA of two trainings",
    "batch_linear_balanced_accuracy": "batch, linear probe",
    "batch_purity": "batch, neighbours",
}
OF_LABEL = {
    "linear_balanced_accuracy": "linear, balanced accuracy",
    "linear_macro_f1": "linear, macro-F1",
    "knn_balanced_accuracy": "kNN, balanced accuracy",
    "knn_macro_f1": "kNN, macro-F1",
    "silhouette": "silhouette",
    "ari": "ARI of k-means",
    "nmi": "NMI of k-means",
}
LOW_IS_GOOD = ("batch_linear_balanced_accuracy", "batch_purity")

Table = dict[str, Any]


class Encoding(Section[RunContents], name="encoding", title="Encoding", kind="run", place=70):
    """What was measured of the encoding, beside others of the same size."""

    heading = "How good is the encoding?"
    template = """
{% if said %}
<p><strong>{{ said[0] }}</strong></p>
<ul>
{% for sentence in said[1:] %}
<li>{{ sentence }}</li>
{% endfor %}
</ul>
<p class="note">± is one standard error of the paired difference, over the choice of samples; within two of them, encodings count as level. Standard errors do not contain what another training, or another division of the cohort, would change.</p>
{% elif run.model == "pca" %}
<p>PCA is itself what other models are measured against; the tables show what it reaches.</p>
{% endif %}
{% macro grid(label, caption, table) %}
<div class="scroll" role="region" aria-label="{{ label }}" tabindex="0">
<table class="plain">
<caption>{{ caption }}</caption>
<thead><tr><th scope="col">encoder</th>{% for name in table.columns %}<th scope="col" class="n">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}
<tr{% if row.main %} class="main"{% endif %}><th scope="row">{{ row.name }}</th>{% for cell in row.cells %}<td class="n">{% if cell.value == cell.value %}{% if cell.best %}<strong>{{ '%.3f' | format(cell.value) }}</strong>{% else %}{{ '%.3f' | format(cell.value) }}{% endif %}{% if cell.error == cell.error %} <small>± {{ '%.3f' | format(cell.error) }}</small>{% endif %}{% else %}–{% endif %}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endmacro %}
{% set table = overview %}
{% if table.columns %}
{{ grid("Reconstruction and stability by encoder", "Reconstruction and stability, " ~ words.counted(about.evaluation.test, "test sample"), table) }}
<p class="note">R2 is measured against the mean of the training samples: 0 is knowing the average only, 1 is perfect. The mean profile shows why correlations over genes flatter: all profiles resemble each other. All encoders have {{ run.latent.shape[1] }} features and were fitted on the training samples alone. <em>Permuted genes</em> is PCA trained after every gene was shuffled over the training samples on its own, so that it can have learned no co-expression. CKA and SVCCA: how alike the latents of two trainings with different seeds are, from 0 to 1; SVCCA's directions are learned on the training samples.</p>
{% endif %}
{% set column, table = of_label %}
{% if column %}
{{ grid("How well the label is read, by encoder", column ~ ", " ~ words.counted(table.n, "held-out sample"), table) }}
<p class="note">Classifiers and clusters see the samples that no model was fitted, stopped or calibrated on: the test split{% if about.splits.query %} and the samples outside the reference (query){% endif %}. Best encoding in bold. Silhouettes compare encodings of different geometry: take them as a hint. All label columns: {{ ui.file("evaluation.tsv") }}.</p>
{% endif %}
{% if inside %}
<p>{{ inside }}</p>
{% endif %}
{{ ui.figures(figures) }}
{% if about.evaluation.notes %}
<details>
<summary>What was not measured, and why</summary>
<ul>
{% for note in about.evaluation.notes %}
<li>{{ note }}</li>
{% endfor %}
</ul>
</details>
{% endif %}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        if not run.about["evaluation"]:
            return None
        table = _measured(run)
        return {
            "said": summarise(table, model=run.model, title=run.title),
            "overview": overview(run),
            "of_label": of_label(run),
            "inside": inside(run),
        }

    def figures(self, run: RunContents) -> Iterator[Figure]:
        table = run.table("evaluation_genes.tsv.gz")
        features = run.table("latent_features.tsv")
        ours = run.title()
        measured = _measured(run).assign(encoder=_measured(run)["encoder"].map(run.title))
        palette = encoder_styles(measured["encoder"], model=ours)
        if measured["metric"].isin(PROBES).any():
            yield Figure(
                "probe_scores",
                "What can be read from it?",
                "Balanced accuracy of classifiers on each encoding, for every label column.",
                "How well two simple classifiers, cross-validated among held-out samples, predict "
                "each column of the sample table: the mean share of each class that is recognised. "
                "Bars: one standard error; samples are shared, so differences are surer than the "
                "bars suggest. Grey: guessing. Where not even the genes are right of it, the label "
                "is not in the expression.",
                lambda: probe_scores(measured, model=ours, palette=palette),
            )
        if len(table) and not run.of_images:
            genes = table.assign(encoder=table["encoder"].map(run.title))
            yield Figure(
                "gene_reconstruction",
                "Which share of the genes is given back, and how well?",
                "Distribution of the R2 of single genes, for every encoder.",
                "For every R2 the share of the genes that are reconstructed at least so well in test "
                "samples. 1 is perfect; at 0 (dotted) the encoding knows no more of a gene than its "
                "mean.",
                lambda: drawing_of(gene_agreement(genes, model=ours, palette=palette)),
            )
        if "kl" in features:
            yield Figure(
                "latent_kl",
                "Does every latent feature carry something?",
                "KL divergence of every latent feature, in decreasing order.",
                "The information in each latent feature, averaged over the test samples. A feature "
                "without any has been switched off by the KL term.",
                lambda: drawing_of(latent_kl(features)),
            )

    def citations(self, run: RunContents) -> list[str]:
        return CITATIONS


def _measured(run: RunContents) -> pd.DataFrame:
    """Every measurement (`EvaluationReport.table`)."""
    return run.needed("evaluation.tsv")


def overview(run: RunContents) -> Table:
    """A row per encoder: reconstruction, stability over seeds, batches."""
    rows = _measured(run)[_measured(run)["metric"].isin(OVERVIEW)]
    return _table(run, rows, OVERVIEW)


def of_label(run: RunContents) -> tuple[str, Table]:
    """The label of the run, or the one that is read best, and its row per encoder."""
    rows = _measured(run)[_measured(run)["metric"].isin(OF_LABEL)]
    columns = list(dict.fromkeys(rows["column"]))
    if not columns:
        return "", {}
    probed = rows[rows["metric"].isin(PROBES)]
    best = probed["column"].iloc[int(probed["value"].argmax())]
    column = run.label if run.label in columns else best
    return str(column), _table(run, rows[rows["column"] == column], OF_LABEL)


def inside(run: RunContents) -> str:
    """The loss on the test samples, and what the posterior does, in a sentence."""
    rows = _measured(run)[
        (_measured(run)["encoder"] == run.model) & ~_measured(run)["metric"].isin(OVERVIEW)
    ]
    value = rows.set_index("metric")["value"]
    if "loss" not in value:
        return ""
    parts = [
        f"{name.removeprefix('loss_').replace('_', ' ')} {value[name]:,.1f}"
        for name in value.index
        if name.startswith("loss_")
    ]
    said = f"Loss of {run.title()} on the test samples: {value['loss']:,.1f}"
    said += f" ({', '.join(parts)})." if parts else "."
    n_features = len(run.table("latent_features.tsv"))
    if "active_units" in value:
        said += (
            f" {value['active_units']:.0f} of {n_features} latent features are active: "
            "their posterior mean varies by more than 0.01 between samples (Burda et al. 2016)."
        )
    return said


def _table(run: RunContents, rows: pd.DataFrame, metrics: dict[str, str]) -> Table:
    """Names of the measured columns, and for every encoder its cells, the best one marked."""
    shown = [metric for metric in metrics if (rows["metric"] == metric).any()]
    encoders = list(dict.fromkeys(rows["encoder"]))
    by_key = {(row["encoder"], row["metric"]): row for row in rows.to_dict(orient="records")}
    best = {metric: _best(rows, metric) for metric in shown}
    return {
        "columns": [metrics[metric] for metric in shown],
        "n": int(rows["n"].max()) if len(rows) else 0,
        "rows": [
            {
                "name": run.title(encoder),
                "main": encoder == run.model,
                "cells": [_cell(by_key.get((encoder, m)), best[m]) for m in shown],
            }
            for encoder in encoders
        ],
    }


def _best(rows: pd.DataFrame, metric: str) -> float:
    """The best value that an encoding reaches; references are no encodings."""
    values = rows[(rows["metric"] == metric) & ~rows["encoder"].isin([CHANCE, GENES, MEAN])]
    return float(values["value"].min() if metric in LOW_IS_GOOD else values["value"].max())


def _cell(row: Any, best: float) -> Table:
    if row is None:
        return {"value": float("nan"), "error": float("nan"), "best": False}
    return {
        "value": row["value"],
        "error": row["standard_error"],
        "best": round(row["value"], 3) == round(best, 3),
    }
