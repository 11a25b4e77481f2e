"""The page of a run over treated samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from tybalt_like import pl
from tybalt_like.core.errors import RunError
from tybalt_like.core.files import write_text
from tybalt_like.report.page import environment, image, script_hash, template_text
from tybalt_like.report.picture import Picture, figure_of

REPORT = "report.html"
MAX_DRUGS = 12
"""Drugs with figures of their own."""
CURVES = 6
"""Curves in one panel."""
MAX_ROWS = 200
CHANGE_LABELS = {
    "gene_correlation": "correlation per gene,\nmedian",
    "sample_correlation": "correlation per sample,\nmean",
    "explained": "share of the squared\nchange explained",
}
RESPONSE_LABELS = {
    "auroc": "AUROC, with 95 % interval",
    "auprc": "AUPRC, with 95 % interval",
    "correlation": "correlation with the known response, with 95 % interval",
}
CITATIONS = [
    "Dr.VAE and PertVAE: Rampášek L, Hidru D, Smirnov P, Haibe-Kains B, Goldenberg A. Dr.VAE: "
    "improving drug response prediction via modeling of drug perturbation effects. Bioinformatics "
    "35:3743-3751 (2019).",
    "Semi-supervised VAE: Kingma DP, Rezende DJ, Mohamed S, Welling M. Semi-supervised learning "
    "with deep generative models. NeurIPS (2014).",
    "Variational fair autoencoder: Louizos C, Swersky K, Li Y, Welling M, Zemel R. The variational "
    "fair autoencoder. ICLR (2016).",
]
FILES = {
    "run.json": "recipe, versions, seed, warnings",
    "predictions.tsv.gz": "every held-out sample: its response, and what each method says of it",
    "responses.tsv": "how well responses were predicted, with 95 % intervals",
    "changes.tsv": "how well treated profiles were predicted, per fold",
    "genes.tsv.gz": "mean measured and predicted change of every gene",
    "latent.tsv.gz": "latent features of every sample before and after treatment",
    "trainings.tsv": "every training: sizes, epochs, seconds",
}


@dataclass(frozen=True)
class Tables:
    """What a run folder holds; tables that it lacks are empty."""

    about: dict[str, Any]
    predictions: pd.DataFrame
    responses: pd.DataFrame
    changes: pd.DataFrame
    genes: pd.DataFrame
    latent: pd.DataFrame
    trainings: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> Tables:
        """Read the tables of a run folder.

        Raises
        ------
        RunError
            If the folder is not a whole run of this kind.
        """
        try:
            about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{folder} is not a whole run: run.json missing") from None
        text = {"drug": str, "sample": str, "group": str, "gene": str, "method": str, "fold": str}

        def table(name: str) -> pd.DataFrame:
            path = folder / name
            if not path.exists():
                return pd.DataFrame()
            return pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False, na_values=[""])

        names = ("predictions.tsv.gz", "responses.tsv", "changes.tsv", "genes.tsv.gz")
        return cls(about, *map(table, (*names, "latent.tsv.gz", "trainings.tsv")))

    @property
    def model(self) -> str:
        """Name of the run's model."""
        return str(self.about["model"]["name"])

    def drugs(self) -> list[str]:
        """Drugs with figures of their own."""
        return list(self.about["units"])[:MAX_DRUGS]


def build(folder: Path) -> Path:
    """Draw the figures of a run and write its page, from the folder's tables alone.

    Raises
    ------
    RunError
        If the folder is not a whole run over treated samples.
    """
    run = Tables.read(folder)
    drawn = list(_pictures(run))
    for picture in drawn:
        figure = picture.draw()
        pl.save(figure, folder / "figures", picture.name)
        plt.close(figure)
    scripts = [template_text("report.js")]
    page = (
        environment()
        .get_template("perturbation.html.j2")
        .render(
            about=run.about,
            model=run.model,
            responses=_wide(run.responses),
            changes=_mean_changes(run.changes),
            unknown=_unknown(run),
            n_trainings=len(run.trainings),
            drawn=drawn,
            image=partial(image, folder / "figures"),
            files={name: what for name, what in FILES.items() if (folder / name).exists()},
            citations=CITATIONS,
            style=template_text("report.css"),
            scripts=scripts,
            script_hashes=[script_hash(text) for text in scripts],
        )
    )
    path = folder / REPORT
    write_text(path, page)
    return path


def _wide(responses: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per drug and method, mean over seeds, the best first."""
    if responses.empty:
        return []
    of = responses.groupby(["drug", "method", "measure"], sort=False)[["value", "low", "high"]]
    rows: list[dict[str, Any]] = []
    for (drug, method), part in of.mean().reset_index().groupby(["drug", "method"], sort=False):
        row: dict[str, Any] = {"drug": drug, "method": method}
        for _, found in part.iterrows():
            row[found["measure"]] = {name: found[name] for name in ("value", "low", "high")}
        rows.append(row)
    first = str(responses["measure"].iloc[0])
    return sorted(rows, key=lambda row: (row["drug"], -row[first]["value"]))


def _mean_changes(changes: pd.DataFrame) -> dict[str, Any]:
    """Measures over folds and seeds, mean and SD, per drug and method."""
    if changes.empty:
        return {"measures": [], "rows": []}
    by = ["drug", "method", "measure"]
    found = changes.groupby(by, sort=False)["value"].agg(["mean", "std"]).reset_index()
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in found.to_dict(orient="records"):
        cells = rows.setdefault((row["drug"], row["method"]), {})
        cells[row["measure"]] = {"mean": row["mean"], "sd": row["std"]}
    return {
        "measures": list(changes["measure"].unique()),
        "rows": [{"drug": d, "method": m, "cells": cells} for (d, m), cells in rows.items()],
    }


def _unknown(run: Tables) -> list[dict[str, Any]]:
    """Predictions for the first seed of samples without a response, the surest first."""
    if run.predictions.empty:
        return []
    table = run.predictions
    table = table[table["y"].isna() & (table["seed"] == table["seed"].min())]
    table = table.assign(prediction=table[run.model], width=table["high"] - table["low"])
    columns = ["drug", "sample", "group", "is_pair", "prediction", "low", "high"]
    return list(table.sort_values("width").head(MAX_ROWS)[columns].to_dict(orient="records"))


def _pictures(run: Tables) -> Iterator[Picture]:
    if len(run.changes):
        yield Picture(
            "change_scores",
            "Predicted treated profiles beside simple rules",
            "Dot plots of three measures of the predicted changes, one row per method.",
            "One point per held-out fold and seed, the bar is their mean. A prediction that is the "
            "same for all samples has no correlation per gene: it counts as 0. Noise in the "
            "profile before treatment is part of the measured change, and whoever sees that "
            "profile knows it; the ablation shows how much that alone is worth.",
            lambda: pl.change_scores(run.changes, labels=CHANGE_LABELS, first=run.model),
        )
    several = len(run.about["units"]) > 1
    for number, drug in enumerate(run.drugs(), 1):
        of = f", {drug}" if several else ""
        yield from _of_drug(run, drug, number, of)


def _of_drug(run: Tables, drug: str, number: int, of: str) -> Iterator[Picture]:
    def part(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["drug"] == drug] if len(table) else table

    responses, predictions = part(run.responses), part(run.predictions)
    if len(responses):
        measure = str(responses["measure"].iloc[0])
        if measure == "auroc" and responses["value"].notna().any():
            areas = _areas(responses, run.model)
            yield Picture(
                f"response_curves_{number}",
                f"Response: ROC and precision-recall{of}",
                "ROC and precision-recall curves of the model and the best baselines.",
                f"Held-out samples of all folds and seeds; the {CURVES} methods with the largest "
                "AUROC, the model first. Which baseline is best is known only afterwards.",
                lambda: pl.response_curves(predictions, areas),
            )
        yield Picture(
            f"response_scores_{number}",
            f"Response: every method{of}",
            "Dot plot of every method with its 95 % interval.",
            "One point per seed, with the bootstrap interval over held-out groups. In colour: the "
            "model and its ablation, for which treatment changes nothing.",
            lambda: pl.intervals(
                responses,
                measure=measure,
                label=RESPONSE_LABELS[measure],
                first=[m for m in responses["method"].unique() if m.startswith(run.model)],
            ),
        )
    latent, genes = part(run.latent), part(run.genes)
    if len(latent) and {"predicted", "after"} <= set(latent["state"]):
        yield Picture(
            f"shifts_{number}",
            f"Latent space before and after treatment{of}",
            "Two scatter plots of latent positions with arrows from before to after treatment.",
            "Principal components of the latent features of the model trained on all groups. Left: "
            "to where the measured treated profile lies. Right: to where the model expects it.",
            lambda: pl.shifts(latent),
        )
    if len(genes):
        yield Picture(
            f"gene_changes_{number}",
            f"Genes with the largest predicted change{of}",
            "Scatter plot of predicted against measured mean changes, and a dot plot of the "
            "largest ones.",
            "Mean over held-out pairs, in standard deviations of the gene among the training "
            "samples.",
            lambda: pl.gene_changes(genes),
        )
    unknown = predictions[predictions["y"].isna()] if len(predictions) else predictions
    if len(unknown):
        first = unknown[unknown["seed"] == unknown["seed"].min()]
        yield Picture(
            f"unlabelled_{number}",
            f"Samples without a known response{of}",
            "Predicted responses with intervals, sorted.",
            "Predicted by the model that was trained without their group; the interval holds 90 % "
            "of the predictions over what the latent features may be.",
            lambda: figure_of(
                pl.uncertain_responses(first, run.model, is_binary=run.about["is_binary"])
            ),
        )


def _areas(responses: pd.DataFrame, model: str) -> dict[str, dict[str, float]]:
    """The model and the best of the others, with their areas."""
    wide = responses.pivot_table(index="method", columns="measure", values="value", aggfunc="mean")
    best = wide.drop(index=model).sort_values("auroc", ascending=False, kind="stable")
    names = [model, *best.index[: CURVES - 1]]
    return {str(name): wide.loc[name].to_dict() for name in names}
