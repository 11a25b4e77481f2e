"""A recipe becomes a run folder: the stages in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like import anomaly, datasets, folder, io, keys, pp, tl
from tybalt_like.errors import RecipeError
from tybalt_like.models import Model
from tybalt_like.progress import Narrator
from tybalt_like.provenance import record, recorded
from tybalt_like.recipe import Recipe
from tybalt_like.results import NORM, Results, split_sizes

if TYPE_CHECKING:
    from anndata import AnnData

BASELINE = "pca"
PARTS = ("combined", "reconstruction", "mahalanobis", "knn")


def run(
    recipe: Recipe,
    out: Path,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    narrator: Narrator | None = None,
) -> Path:
    """Carry out a recipe and write its run folder, whole or not at all.

    Parameters
    ----------
    out
        The folder to make.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    resume
        Go on from the last checkpoint of an interrupted run, if there is one.
    overwrite
        Replace `out` if it exists.
    narrator
        Tells what is happening; silent if None.

    Returns
    -------
    pathlib.Path
        The report.

    Raises
    ------
    TybaltLikeError
        One clear sentence about what is wrong with the input, the recipe or the folder.
    """
    from tybalt_like import report

    narrator = narrator or Narrator(quiet=True)
    with folder.writing(out, recipe, resume=resume, overwrite=overwrite) as work:
        checkpoint = work / folder.CHECKPOINT
        results = analyse(recipe, device=device, narrator=narrator, checkpoint=checkpoint)
        with narrator.stage("Embedding"):
            embed(recipe, results.adata)
        with narrator.stage("Drawing and writing"):
            results.write(work)
            results.draw(work / "figures")
        results.write_about(work, seconds=narrator.seconds)
        report.build(work)
    return out / "report.html"


def analyse(
    recipe: Recipe,
    *,
    device: str = "auto",
    narrator: Narrator | None = None,
    checkpoint: Path | None = None,
) -> Results:
    """Everything of a run but its pictures and files."""
    narrator = narrator or Narrator(quiet=True)
    with narrator.stage("Reading"):
        adata = read(recipe)
        for line in recorded(adata)["findings"]:
            narrator.say(line)
        narrator.say(", ".join(f"{n} {name}" for name, n in split_sizes(adata).items()))
    with narrator.stage("Normalising"):
        train_n = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
        normaliser = pp.Normaliser.fit(adata, recipe.normalize, train=train_n)
        n_read, adata = adata.n_vars, normaliser.transform(adata)
        narrator.say(f"{adata.n_vars:,} of {n_read:,} genes, {recipe.normalize.scale} scale")
    with narrator.stage(f"Training {recipe.model_name}"):
        models = fit(recipe, adata, device=device, narrator=narrator, checkpoint=checkpoint)
        narrator.say(models[recipe.model_name].history.stopped)
    with narrator.stage("Scoring"):
        detectors = score(recipe, adata, names=list(models))
        metrics = measure(recipe, adata, names=list(models))
    return Results(recipe, adata, normaliser, models, detectors, metrics)


def read(recipe: Recipe) -> AnnData:
    """The matrix with its sample table, checked and split."""
    data = recipe.data
    if data.dataset is not None:
        adata = datasets.load(data.dataset)
    else:
        adata = io.read(str(data.path), obs=data.obs, genes_in=data.genes_in)
    findings = pp.inspect(adata)
    pp.check(findings, at_least=pp.MIN_REFERENCE)
    record(adata, findings=findings.lines())
    pp.split(
        adata,
        label=data.label,
        normal=data.normal,
        train=recipe.split.train,
        calibration=recipe.split.calibration,
        validation=recipe.split.validation,
        seed=recipe.seed,
    )
    for label in data.anomalies:
        if not (adata.obs[data.label].astype(str) == label).any():
            raise RecipeError(f"data.anomalies: no sample has {data.label} = {label!r}")
    return adata


def fit(
    recipe: Recipe,
    adata: AnnData,
    *,
    device: str,
    narrator: Narrator,
    checkpoint: Path | None = None,
) -> dict[str, Model]:
    """The model trained and, beside it, PCA with as many components."""
    name = recipe.model_name
    model = tl.fit(
        adata,
        model=name,
        training=recipe.training_settings,
        seed=recipe.seed,
        device=device,
        checkpoint=checkpoint,
        on_epoch=narrator.epoch,
        **recipe.model_config,
    )
    if name == BASELINE:
        return {name: model}
    k = adata.obsm[keys.latent(name)].shape[1]
    baseline = tl.fit(adata, model=BASELINE, seed=recipe.seed, device="cpu", latent_dim=k)
    return {name: model, BASELINE: baseline}


def score(recipe: Recipe, adata: AnnData, *, names: list[str]) -> dict[str, anomaly.Detector]:
    """Anomaly scores of every model, and the norm of the standardised row."""
    x_ng = np.asarray(adata.X)
    train_n = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
    adata.obs[NORM] = anomaly.standardised_norm(x_ng, x_ng[train_n])
    how = recipe.scores
    return {
        name: tl.score(adata, model=name, fdr=how.fdr, n_neighbors=how.n_neighbors)
        for name in names
    }


def measure(recipe: Recipe, adata: AnnData, *, names: list[str]) -> pd.DataFrame:
    """How well every score finds the named anomalies among the test samples."""
    scores = {f"{n} {part}": adata.obs[keys.score(n, part)] for n in names for part in PARTS}
    scores["norm of the standardised row"] = adata.obs[NORM]
    label = recipe.data.label
    return anomaly.detection_metrics(
        scores,
        label_n=[str(value) for value in adata.obs[label]] if label else [""] * adata.n_obs,
        normal_n=np.asarray(adata.obs[keys.SPLIT] == keys.TEST),
        anomalies=recipe.data.anomalies,
    )


def embed(recipe: Recipe, adata: AnnData) -> None:
    """UMAP and t-SNE of the latents (under the usual keys) and of the genes."""
    how, seed = recipe.pictures, recipe.seed
    for use, end in ((keys.latent(recipe.model_name), ""), ("X", keys.OF_GENES)):
        tl.umap(
            adata,
            use=use,
            key=keys.UMAP + end,
            n_neighbors=how.umap_n_neighbors,
            min_dist=how.umap_min_dist,
            seed=seed,
        )
        tl.tsne(adata, use=use, key=keys.TSNE + end, perplexity=how.tsne_perplexity, seed=seed)
