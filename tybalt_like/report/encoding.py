"""The section on how good the encoding is: words, tables and figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from tybalt_like import pl
from tybalt_like.evaluation.report import CHANCE, GENES, MEAN
from tybalt_like.evaluation.summary import PROBES
from tybalt_like.evaluation.summary import verdict as in_words
from tybalt_like.report.picture import Picture, figure_of

if TYPE_CHECKING:
    from tybalt_like.report.contents import Contents

SECTION = "encoding"
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


def verdict(run: Contents) -> list[str]:
    """What the card says, in sentences."""
    return in_words(run.card, model=run.model, title=run.title) if len(run.card) else []


def overview(run: Contents) -> Table:
    """A row per encoder: reconstruction, stability over seeds, batches."""
    rows = run.card[run.card["metric"].isin(OVERVIEW)]
    return _table(run, rows, OVERVIEW)


def of_label(run: Contents) -> tuple[str, Table]:
    """The label of the run, or the one that is read best, and its row per encoder."""
    rows = run.card[run.card["metric"].isin(OF_LABEL)]
    columns = list(dict.fromkeys(rows["column"]))
    if not columns:
        return "", {}
    probed = rows[rows["metric"].isin(PROBES)]
    best = probed["column"].iloc[int(probed["value"].argmax())]
    column = run.label if run.label in columns else best
    return str(column), _table(run, rows[rows["column"] == column], OF_LABEL)


def inside(run: Contents) -> str:
    """The loss on the test samples, and what the posterior does, in a sentence."""
    rows = run.card[(run.card["encoder"] == run.model) & ~run.card["metric"].isin(OVERVIEW)]
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
    if "active_units" in value:
        said += (
            f" {value['active_units']:.0f} of {len(run.features)} latent features are active: "
            "their posterior mean varies by more than 0.01 between samples (Burda et al. 2016)."
        )
    return said


def pictures(run: Contents) -> Iterator[Picture]:
    """Probes by encoder, genes by encoder, and the latent features."""
    if run.card.empty:
        return
    ours = run.title()
    card = run.card.assign(encoder=run.card["encoder"].map(run.title))
    palette = pl.encoder_styles(card["encoder"], model=ours)
    if card["metric"].isin(PROBES).any():
        yield Picture(
            "probe_scores",
            "What can be read from it?",
            "Balanced accuracy of classifiers on each encoding, for every label column.",
            "How well two simple classifiers, cross-validated among held-out samples, predict "
            "each column of the sample table: the mean share of each class that is recognised. "
            "Bars: one standard error; samples are shared, so differences are surer than the "
            "bars suggest. Grey: guessing. Where not even the genes are right of it, the label "
            "is not in the expression.",
            lambda: pl.probe_scores(card, model=ours, palette=palette),
            SECTION,
        )
    if len(run.card_genes) and not run.of_images:
        genes = run.card_genes.assign(encoder=run.card_genes["encoder"].map(run.title))
        yield Picture(
            "gene_reconstruction",
            "Which share of the genes is given back, and how well?",
            "Distribution of the R2 of single genes, for every encoder.",
            "For every R2 the share of the genes that are reconstructed at least so well in test "
            "samples. 1 is perfect; at 0 (dotted) the encoding knows no more of a gene than its "
            "mean.",
            lambda: figure_of(pl.gene_agreement(genes, model=ours, palette=palette)),
            SECTION,
        )
    if "kl" in run.features:
        yield Picture(
            "latent_kl",
            "Does every latent feature carry something?",
            "KL divergence of every latent feature, in decreasing order.",
            "The information in each latent feature, averaged over the test samples. A feature "
            "without any has been switched off by the KL term.",
            lambda: figure_of(pl.latent_kl(run.features)),
            SECTION,
        )


def _table(run: Contents, rows: pd.DataFrame, metrics: dict[str, str]) -> Table:
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
