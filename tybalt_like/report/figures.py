"""The figures of a run: how each is drawn, and what to see in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from tybalt_like import pl
from tybalt_like.core import keys
from tybalt_like.pl.scatter import LEGEND_ROWS
from tybalt_like.pl.theme import theme
from tybalt_like.report import encoding, images, made_images
from tybalt_like.report.picture import Picture, figure_of
from tybalt_like.report.prose import sentence

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.report.contents import Contents

NORM = "norm of the standardised row"
MANY = 4
"""More anomalous labels than that share one figure of curves."""
SPLITS = {
    keys.TRAIN: pl.Style("#D9D9D9", "o"),
    keys.VALIDATION: pl.Style("#B5B5B5", "o"),
    keys.CALIBRATION: pl.Style("#8F8F8F", "o"),
    keys.TEST: pl.Style("#5F5F5F", "o"),
    keys.QUERY: pl.Style("#1F1F1F", "o"),
}
"""Greys, apart from the colours of the labels; the darker, the less the model knows them."""


def pictures(run: Contents) -> list[Picture]:
    """The figures that this run has the data for, in the order of the report."""
    return [
        *encoding.pictures(run),
        *images.pictures(run),
        *made_images.pictures(run),
        *_scores(run),
        *_detection(run),
        *_embeddings(run),
        *_model(run),
        *_genes(run),
    ]


@theme
def draw(run: Contents) -> list[Picture]:
    """Write all figures into ``figures/`` of the run folder."""
    drawn = pictures(run)
    for picture in drawn:
        figure = picture.draw()
        pl.save(figure, run.folder / "figures", picture.name)
        plt.close(figure)
    return drawn


def _scores(run: Contents) -> Iterator[Picture]:
    column = f"{run.model}_combined"
    tested = run.scores[run.tested].assign(label=run.labels[run.tested])
    if tested.empty:
        return
    threshold = _threshold(run)

    def draw() -> Figure:
        ax = pl.score_distribution(
            tested,
            column,
            label="label" if run.label else None,
            threshold=threshold,
            palette=run.palette,
        )
        ax.set_xlabel(f"combined anomaly score ({run.title()})")
        return figure_of(ax)

    yield Picture(
        "score_distribution",
        "How strange are the tested samples?",
        f"Combined anomaly scores of {len(tested)} tested samples, by label.",
        "Each dot is a tested sample, scored by a model that was not trained on it; further right "
        f"is stranger. Circle and bar: median and quartiles. The score: {run.about['combined']}."
        + ("" if threshold is None else " Samples from the dashed line on are flagged."),
        draw,
    )


def _threshold(run: Contents) -> float | None:
    """The score that parts flagged from other samples, if one does: folds have one each."""
    flagged = run.score("combined")[run.flagged]
    others = run.score("combined")[run.tested & ~run.flagged]
    if flagged.empty or others.max() > flagged.min():
        return None
    return float(flagged.min())


def _detection(run: Contents) -> Iterator[Picture]:
    columns = {
        f"{run.model} combined": f"{run.model}_combined",
        "pca reconstruction": "pca_reconstruction",
        NORM: "norm",
    }
    columns = {run.title(name): c for name, c in columns.items() if c in run.scores}
    scores = run.scores[list(columns.values())].set_axis(list(columns), axis=1)
    shown = list(dict.fromkeys(run.metrics["anomaly"]))
    if len(run.about["anomalies"]) > MANY and shown:
        yield made_images.curves_by_label(run)
        shown = [anomaly for anomaly in shown if anomaly not in run.about["anomalies"]]
    for i, anomaly in enumerate(shown):
        strange = run.labels == anomaly
        if anomaly not in run.about["anomalies"]:  # all of them together
            strange |= run.labels.isin(run.about["anomalies"])
        rows = (strange | run.held_out) & scores.notna().all(axis=1)
        what = anomaly if anomaly in run.about["anomalies"] else "all named anomalies"
        yield _curves(f"detection_{i + 1}_{_slug(anomaly)}", what, scores[rows], strange[rows])
    if len(run.metrics):
        yield Picture(
            "metrics",
            "Which score finds the anomalies best?",
            "AUROC of every score for every anomalous label.",
            "AUROC is the chance that an anomalous sample scores higher than a held-out normal "
            f"one: 1 is perfect, 0.5 is guessing. Bold: scores of {run.title()}. The norm of the "
            "standardised row, the distance from the average profile, involves no learning at "
            "all: a model has to beat it to earn its keep.",
            lambda: figure_of(
                pl.metrics(
                    run.metrics.assign(detector=run.metrics["detector"].map(run.title)),
                    model=run.title(),
                    palette=run.palette,
                )
            ),
        )


def _curves(name: str, what: str, scores: pd.DataFrame, strange: pd.Series) -> Picture:
    n_strange, n_normal = int(strange.sum()), int((~strange).sum())

    def draw() -> Figure:
        figure, axes = plt.subplots(1, 2, figsize=(10, 4.9))
        pl.roc(scores, strange, ax=axes[0])
        pl.precision_recall(scores, strange, ax=axes[1])
        return figure

    return Picture(
        name,
        f"Finding {what}",
        f"ROC and precision-recall curves for {what}.",
        f"{n_strange} anomalous samples against {n_normal} held-out normal ones, for every "
        "possible threshold. Left: the share of anomalies found against the share of normal "
        "samples wrongly called; a good score hugs the upper left corner. Right: how many of the "
        "samples called are truly anomalous; it depends on how common anomalies are (dotted).",
        draw,
    )


def _embeddings(run: Contents) -> Iterator[Picture]:
    adata, score = run.adata(), "combined anomaly score"
    adata.obs[score] = run.score("combined")
    for method, name in (("umap", "UMAP"), ("tsne", "t-SNE")):
        if not {f"X_{method}", f"X_{method}_genes"} <= set(adata.obsm):
            continue
        if run.label is not None:
            yield Picture(
                f"{method}_by_label",
                f"{name} by label",
                f"{name} maps of the latent features and of the genes, coloured by {run.label}.",
                f"Each dot is a sample; samples with similar profiles lie close together. Left: "
                f"by the latent features of {run.title()}; right: by the genes it was given. "
                "Distances between far groups and sizes of groups mean little in such maps.",
                _panels(run, adata, method, color=run.label),
            )
        yield Picture(
            f"{method}_by_score",
            f"{name} by anomaly score",
            f"{name} maps of the latent features and of the genes, coloured by anomaly score.",
            "The same maps; brighter samples are stranger. Strange samples that gather in a "
            "group have something in common; scattered ones may be single failures.",
            _panels(run, adata, method, color=score),
        )


def _panels(run: Contents, adata: AnnData, method: str, *, color: str) -> Callable[[], Figure]:
    def draw() -> Figure:
        by_label = color == run.label
        n_columns = -(-run.labels.nunique() // LEGEND_ROWS)
        width = 9.1 + 1.7 * n_columns if by_label else 9.8
        figure, axes = plt.subplots(1, 2, figsize=(width, 4.6))
        palette = run.palette if by_label else None
        for ax, suffix, title in zip(
            axes, ("", "_genes"), ("Latent features", "Genes"), strict=True
        ):
            basis = f"X_{method}{suffix}"
            pl.embedding(adata, basis, color=color, palette=palette, legend=bool(suffix), ax=ax)
            ax.set_title(title)
        return figure

    return draw


def _model(run: Contents) -> Iterator[Picture]:
    if run.latent.std().gt(0).any():
        yield Picture(
            "latent_heatmap",
            "What the latent features do",
            f"Clustered heat map of {run.latent.shape[1]} latent features in {len(run.latent)} "
            "samples.",
            "Rows are latent features, columns are samples; red is above the feature's average, "
            "blue below. Both are ordered so that similar ones are neighbours."
            + " A feature that is red in one label only has learned something about it."
            * (run.label is not None),
            lambda: pl.latent_heatmap(
                run.adata(),
                model=run.model,
                labels=[*([run.label] if run.label else []), keys.SPLIT],
                palettes={keys.SPLIT: SPLITS} | ({run.label: run.palette} if run.label else {}),
            ),
        )
    if len(run.history):
        floor = run.about["entropy_floor"]
        yield Picture(
            "training",
            "How training went",
            "Training and validation loss by epoch.",
            f"{sentence(run.about['model']['stopped'])} {_advice(run.history)}"
            + ("" if floor is None else " No model can get below the dashed line."),
            lambda: pl.training(
                run.history, entropy_floor=floor, best_epoch=run.about["model"]["best_epoch"]
            ),
        )


def _advice(history: pd.DataFrame) -> str:
    """What to look for in the losses."""
    if "train_generator_loss" in history:
        return (
            "Generator and critic play against each other: losses that stay level and apart from "
            "0 are a game in balance, not a lack of progress. A loss of the critic that falls to 0 "
            "for good is a lost game. Judge the generator by what it makes."
        )
    return (
        "Losses should fall and level off; a validation loss that rises again while the training "
        "loss falls is overfitting."
    )


def _genes(run: Contents) -> Iterator[Picture]:
    if run.genes.empty or run.of_images:
        return
    sample = str(run.score("combined")[run.genes["sample"].unique()].idxmax())
    yield Picture(
        "genes_of_strangest_sample",
        "Why is the strangest sample strange?",
        f"Standardised residuals of the top genes of sample {sample}.",
        "The genes whose expression is furthest from what the model expects of this sample. "
        "The genes of other strange samples are listed below.",
        lambda: figure_of(pl.gene_residuals(run.genes, sample)),
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:40]
