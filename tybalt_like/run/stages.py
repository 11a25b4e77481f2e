"""A recipe becomes a run folder: the stages in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like import anomaly, io, pp, tl
from tybalt_like.core import distributed, files, keys
from tybalt_like.core.provenance import recorded
from tybalt_like.io.pixels import is_images
from tybalt_like.models import Model
from tybalt_like.run.cohort import read, split, trim
from tybalt_like.run.progress import Narrator
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.results import NORM, Results, split_sizes
from tybalt_like.tl.score import to_explain

if TYPE_CHECKING:
    from anndata import AnnData

BASELINE = "pca"


def run(
    recipe: Recipe,
    out: Path,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    inputs: Iterable[Path] = (),
    narrator: Narrator | None = None,
) -> Path:
    """Carry out a recipe and write its run folder, whole or not at all.

    Processes started by ``torchrun`` train together; the first one writes.

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
    inputs
        Further files that `out` must not hold, such as the recipe's own.
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
    with distributed.joined():
        if not distributed.is_main():  # of several processes, all train and one writes
            checkpoint = files.unfinished(out) / files.CHECKPOINT
            results = analyse(recipe, device=device, checkpoint=checkpoint)
            show(judge(results, device=device), device=device)
            return out / "report.html"
        with files.whole_folder(
            out,
            kind="run",
            settings=recipe.to_tables(),
            inputs=[*inputs, *recipe.inputs()],
            resume=resume,
            overwrite=overwrite,
        ) as work:
            tl.check_maps(recipe.pictures.maps)
            checkpoint = work / files.CHECKPOINT
            results = analyse(recipe, device=device, narrator=narrator, checkpoint=checkpoint)
            with narrator.stage("Judging the encoding"):
                results = judge(results, device=device, narrator=narrator)
            if is_images(results.adata):
                with narrator.stage("Looking at images"):
                    show(results, device=device, narrator=narrator).save(work)
            with narrator.stage("Embedding"):
                embed(recipe, results.adata)
            with narrator.stage("Drawing and writing"):
                results.write(work)
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
        split(recipe, adata)
        for line in recorded(adata)["findings"]:
            narrator.say(line)
        narrator.say(", ".join(f"{n} {name}" for name, n in split_sizes(adata).items()))
    results = learn(recipe, adata, device=device, narrator=narrator, checkpoint=checkpoint)
    if recipe.data.normal or recipe.scores.folds < 2:
        return results
    return cross_fit(
        recipe, adata, results, device=device, narrator=narrator, checkpoint=checkpoint
    )


def learn(
    recipe: Recipe,
    adata: AnnData,
    *,
    device: str,
    narrator: Narrator,
    checkpoint: Path | None = None,
) -> Results:
    """Normalise, train and score, by the split that `adata` holds."""
    with narrator.stage("Normalising"):
        train_n = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
        normaliser = pp.Normaliser.fit(adata, recipe.normalize, train=train_n)
        n_read, adata = adata.n_vars, normaliser.transform(adata)
        if recipe.data.contamination:
            n = trim(adata, recipe.data.contamination)
            narrator.say(f"{n} reference samples too strange to learn from are tested instead")
        narrator.say(f"{adata.n_vars:,} of {n_read:,} genes, {recipe.normalize.scale} scale")
        for note in normaliser.notes:
            narrator.say(note)
    with narrator.stage(f"Training {recipe.model_name}"):
        models = fit(recipe, adata, device=device, narrator=narrator, checkpoint=checkpoint)
        narrator.say(models[recipe.model_name].history.stopped)
    with narrator.stage("Scoring"):
        detectors = score(recipe, adata, models)
        detector = detectors[recipe.model_name]
        return Results(
            recipe,
            adata,
            normaliser,
            models,
            detectors,
            genes=tl.explain(adata, detector, model=recipe.model_name),
            gene_sets=explain_sets(recipe, adata),
            smallest_p=detector.smallest_p_value,
        )


def cross_fit(
    recipe: Recipe,
    adata: AnnData,
    results: Results,
    *,
    device: str,
    narrator: Narrator,
    checkpoint: Path | None = None,
) -> Results:
    """Where every sample belongs to the reference, test each one by a model that never saw it.

    The samples are divided into folds. Each fold is scored by a model, normalisation and
    calibration learned from the others (cross-conformal prediction, Vovk 2015). The model and
    detector of `results` stay: they encode the cohort and score new samples.
    """
    k = recipe.scores.folds
    fold_n = np.random.default_rng(recipe.seed).permutation(adata.n_obs) % k
    scores, genes, sets, smallest_p = [], [], [], 0.0
    for fold in range(k):
        with narrator.stage(f"Testing fold {fold + 1} of {k} by a model trained on the others"):
            part = adata.copy()
            split(recipe, part, held_out=fold_n == fold)
            saved = checkpoint and checkpoint.with_stem(f"{checkpoint.stem}_{fold + 1}")
            quiet = Narrator(quiet=True)
            seen = learn(recipe, part, device=device, narrator=quiet, checkpoint=saved)
            held = part.obs_names[fold_n == fold]
            scores.append(seen.adata.obs.loc[held, seen.score_columns()])
            detector = seen.detectors[seen.name]
            genes.append(tl.explain(seen.adata, detector, model=seen.name, samples=list(held)))
            sets.append(explain_sets(recipe, seen.adata, samples=list(held)))
            smallest_p = max(smallest_p, detector.smallest_p_value)
    table = pd.concat(scores).loc[adata.obs_names]
    for name in results.models:
        q_n = anomaly.q_values(table[keys.score(name, "p_value")])
        table[keys.score(name, "q_value")] = q_n
        table[keys.score(name, "flagged")] = q_n <= recipe.scores.fdr
    results.adata.obs[table.columns] = table
    explained = to_explain(results.adata.obs, model=results.name)

    def of_explained(tables: list[pd.DataFrame]) -> pd.DataFrame:
        whole = pd.concat(tables)
        return whole.set_index("sample").loc[explained].reset_index() if len(whole) else whole

    return replace(
        results, genes=of_explained(genes), gene_sets=of_explained(sets), smallest_p=smallest_p
    )


def explain_sets(
    recipe: Recipe, adata: AnnData, *, samples: Sequence[str] | None = None
) -> pd.DataFrame:
    """`tl.explain_pathways` with the recipe's gene sets; empty without."""
    if recipe.scores.gene_sets is None:
        return pd.DataFrame()
    sets = io.read_gmt(recipe.scores.gene_sets)
    return tl.explain_pathways(adata, sets, model=recipe.model_name, samples=samples)


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


def score(
    recipe: Recipe, adata: AnnData, models: Mapping[str, Model]
) -> dict[str, anomaly.Detector]:
    """Anomaly scores of every model, and the norm of the standardised row."""
    x_ng = np.asarray(adata.X)
    train_n = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
    adata.obs[NORM] = anomaly.standardised_norm(x_ng, x_ng[train_n])
    how = recipe.scores
    common = tuple(view for view in how.views if view in anomaly.COMMON)
    views = {BASELINE: common or anomaly.VIEWS, recipe.model_name: how.views}
    return {
        name: tl.score(
            adata,
            model=model,
            fdr=how.fdr,
            n_neighbors=how.n_neighbors,
            views=views[name],
            conditional_on=how.conditional_on,
            n_train=how.n_train,
        )
        for name, model in models.items()
    }


def judge(results: Results, *, device: str, narrator: Narrator | None = None) -> Results:
    """The same with the report card of the recipe's model."""
    narrator = narrator or Narrator(quiet=True)
    how = results.recipe.evaluation
    card = tl.evaluate(
        results.adata,
        results.models[results.name],
        baselines=how.baselines,
        batch=how.batch,
        seeds=how.seeds,
        training=results.recipe.training_settings,
        device=device,
        on_epoch=narrator.epoch,
    )
    return replace(results, card=card)


def show(results: Results, *, device: str, narrator: Narrator | None = None) -> tl.Gallery:
    """What a model of images has learned, and those that the recipe puts beside it; what it
    makes, if it is a generator; and where images are strange to it."""
    narrator, gallery = narrator or Narrator(quiet=True), tl.Gallery()
    recipe, adata, main = results.recipe, results.adata, results.name
    if not is_images(adata):
        return gallery
    label, seed, model = recipe.data.label, recipe.seed, results.models[main]
    if tl.shows_images(adata, model):
        others = tl.beside(
            adata,
            recipe.images.beside,
            seed=seed,
            device=device,
            on_epoch=narrator.epoch,
        )
        models, concepts = results.models | others, recipe.images.concepts
        gallery.join(tl.images(adata, models, main=main, label=label, concepts=concepts, seed=seed))
    if tl.game_of(model) is not None:
        gallery.join(tl.made_images(adata, model, label=label, seed=seed))
    gallery.join(tl.strange_images(adata, model=main, label=label))
    return gallery


def embed(recipe: Recipe, adata: AnnData) -> None:
    """UMAP and t-SNE of the latents (under the usual keys) and of the genes."""
    how, seed = recipe.pictures, recipe.seed
    for use, end in ((keys.latent(recipe.model_name), ""), ("X", keys.OF_GENES)):
        if "umap" in how.maps:
            tl.umap(
                adata,
                use=use,
                key=keys.UMAP + end,
                n_neighbors=how.umap_n_neighbors,
                min_dist=how.umap_min_dist,
                seed=seed,
            )
        if "tsne" in how.maps:
            tl.tsne(adata, use=use, key=keys.TSNE + end, perplexity=how.tsne_perplexity, seed=seed)
