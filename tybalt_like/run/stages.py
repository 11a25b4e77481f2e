"""A recipe becomes a run folder: the stages in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import anomaly, images, io, pp, report, tl
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import distributed, files, keys
from tybalt_like.core.provenance import is_images, recorded
from tybalt_like.models import Model, ModelSettings
from tybalt_like.report.run_contents import BASELINE
from tybalt_like.run import cohort
from tybalt_like.run.folder import KIND
from tybalt_like.run.progress import Progress
from tybalt_like.run.recipe import Pictures, Recipe, Scores
from tybalt_like.run.results import Results, norm_scores
from tybalt_like.tl.embed import check_maps
from tybalt_like.tl.explain import strangest
from tybalt_like.tl.score import fit_detector

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass
class State:
    """A run under way.

    Attributes
    ----------
    work
        The unfinished folder; None where nothing is written.
    adata
        As read, with the split.
    results
        What has been found so far.
    """

    recipe: Recipe
    device: str
    progress: Progress
    checkpoint: Path | None = None
    work: Path | None = None
    adata: AnnData = field(init=False)
    results: Results = field(init=False)


class Stage(NamedTuple):
    """A part of a run.

    Attributes
    ----------
    title
        What it is called while it runs; empty for work that names its own parts.
    work
        Changes the state.
    everywhere
        Whether every process that trains has a share in it; the others are the writing one's.
    """

    title: str
    work: Callable[[State], None]
    everywhere: bool = True


def run(
    recipe: Recipe,
    out: Path,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    inputs: Iterable[Path] = (),
    progress: Progress | None = None,
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
    progress
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
    progress = progress or Progress(quiet=True)
    with distributed.joined():
        if not distributed.is_main():  # of several processes, all train and one writes
            checkpoint = files.unfinished(out) / files.CHECKPOINT
            state = State(recipe, device, Progress(quiet=True), checkpoint)
            _go(state, [stage for stage in STAGES if stage.everywhere])
            return out / report.PAGE
        with files.whole_folder(
            out,
            kind=KIND,
            settings=recipe.to_tables(),
            inputs=[*inputs, *recipe.inputs()],
            resume=resume,
            overwrite=overwrite,
        ) as work:
            check_maps(recipe.pictures.maps)
            _go(State(recipe, device, progress, work / files.CHECKPOINT, work), STAGES)
    return out / report.PAGE


def analyse(recipe: Recipe, *, device: str = "auto") -> Results:
    """What a run finds, without evaluation, pictures and files."""
    state = State(recipe, device, Progress(quiet=True))
    _go(state, ANALYSIS)
    return state.results


def _go(state: State, stages: Sequence[Stage]) -> None:
    for stage in stages:
        if stage.title:
            with state.progress.stage(stage.title):
                stage.work(state)
        else:
            stage.work(state)


def _read(state: State) -> None:
    recipe, progress = state.recipe, state.progress
    adata = cohort.read(recipe.data, by=recipe.split.by)
    cohort.check(recipe, adata)
    cohort.split(adata, recipe.data, recipe.split, seed=recipe.seed)
    state.adata = adata
    for line in recorded(adata)["findings"]:
        progress.say(line)
    sizes = cohort.split_sizes(adata.obs[keys.SPLIT].to_list())
    progress.say(", ".join(f"{n} {name}" for name, n in sizes.items()))


def _learn(state: State) -> None:
    state.results = learn(
        state.recipe,
        state.adata,
        device=state.device,
        progress=state.progress,
        checkpoint=state.checkpoint,
    )


def learn(
    recipe: Recipe,
    adata: AnnData,
    *,
    device: str,
    progress: Progress,
    checkpoint: Path | None = None,
) -> Results:
    """Normalise, train and score, by the split that `adata` holds."""
    with progress.stage("Normalising"):
        normaliser = pp.Normaliser.fit(adata, recipe.normalize)
        n_read, adata = adata.n_vars, normaliser.transform(adata)
        if recipe.data.contamination:
            n = cohort.trim(adata, recipe.data.contamination)
            progress.say(f"{n} reference samples too strange to learn from are tested instead")
        progress.say(f"{adata.n_vars:,} of {n_read:,} genes, {recipe.normalize.scale} scale")
        for note in normaliser.notes:
            progress.say(note)
    with progress.stage(f"Training {recipe.model.name}"):
        models = fit(
            recipe.model,
            adata,
            seed=recipe.seed,
            device=device,
            progress=progress,
            checkpoint=checkpoint,
        )
        progress.say(models[recipe.model.name].history.stopped)
    with progress.stage("Scoring"):
        detectors, scores = score(adata, models, recipe.scores, main=recipe.model.name)
    smallest_p = detectors[recipe.model.name].smallest_p_value
    return Results(recipe, adata, normaliser, models, detectors, scores, smallest_p)


def fit(
    model: ModelSettings,
    adata: AnnData,
    *,
    seed: int,
    device: str,
    progress: Progress,
    checkpoint: Path | None = None,
) -> dict[str, Model]:
    """The model trained and, beside it, PCA with as many components."""
    fitted = tl.fit(
        adata,
        model=model,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
        on_epoch=progress.epoch,
    )
    if model.name == BASELINE:
        return {model.name: fitted}
    k = adata.obsm[keys.latent(model.name)].shape[1]
    baseline = tl.fit(adata, model=BASELINE, seed=seed, device="cpu", latent_dim=k)
    return {model.name: fitted, BASELINE: baseline}


def score(
    adata: AnnData, models: Mapping[str, Model], how: Scores, *, main: str
) -> tuple[dict[str, anomaly.Detector], pd.DataFrame]:
    """Detectors and scores of every model, and the norm of the standardised row."""
    common = tuple(view for view in how.views if view in anomaly.View.registry)
    detectors, scores = {}, [norm_scores(adata)]
    for name, model in models.items():
        detectors[name], found = fit_detector(
            adata,
            model=model,
            fdr=how.fdr,
            n_neighbors=how.n_neighbors,
            views=how.views if name == main else common or anomaly.VIEWS,
            conditional_on=how.conditional_on,
            n_train=how.n_train,
        )
        scores.append(found)
    return detectors, pd.concat(scores, ignore_index=True)


def _explain(state: State) -> None:
    """Where samples were tested by one model: the genes behind the strange ones; where every
    sample belongs to the reference: test each one by a model that never saw it."""
    results = state.results
    if state.recipe.data.normal or state.recipe.scores.folds < 2:
        explained = strangest(results.scores, model=results.name)
        genes, sets = explanations(results, explained)
        state.results = replace(results, genes=genes, gene_sets=sets)
    else:
        state.results = cross_fit(state)


def cross_fit(state: State) -> Results:
    """Where every sample belongs to the reference, test each one by a model that never saw it.

    The samples are divided into folds. Each fold is scored by a model, normalisation and
    calibration learned from the others (cross-conformal prediction, Vovk 2015). The model and
    detector of the results stay: they encode the cohort and score new samples.
    """
    results, recipe, adata = state.results, state.recipe, state.adata
    k = recipe.scores.folds
    fold_n = np.random.default_rng(recipe.seed).permutation(adata.n_obs) % k
    scores, explained, smallest_p = [], [], 1.0
    for fold in range(k):
        title = f"Testing fold {fold + 1} of {k} by a model trained on the others"
        with state.progress.stage(title):
            seen = _without(state, adata, fold_n == fold, number=fold + 1)
            held = list(adata.obs_names[fold_n == fold])
            scores.append(seen.scores[seen.scores["sample"].isin(held)].assign(fold=fold))
            explained.append(explanations(seen, held))
            smallest_p = min(smallest_p, seen.smallest_p)
    table = pd.concat(scores, ignore_index=True)
    order = pd.Categorical(table["sample"], categories=list(adata.obs_names), ordered=True)
    table = table.assign(order=order).sort_values(["model", "score", "order"], kind="stable")
    table = tables.with_q_values(table.drop(columns="order"), fdr=recipe.scores.fdr)
    shown = strangest(table, model=results.name)
    genes, sets = (_of_samples(pd.concat(found), shown) for found in zip(*explained, strict=True))
    return replace(results, scores=table, genes=genes, gene_sets=sets, smallest_p=smallest_p)


def _without(state: State, adata: AnnData, held_n: NDArray[np.bool_], *, number: int) -> Results:
    """What is learned from the samples that are not held out."""
    part, recipe, checkpoint = adata.copy(), state.recipe, state.checkpoint
    cohort.split(part, recipe.data, recipe.split, seed=recipe.seed, held_out=held_n)
    saved = checkpoint and checkpoint.with_stem(f"{checkpoint.stem}_{number}")
    quiet = Progress(quiet=True)
    return learn(recipe, part, device=state.device, progress=quiet, checkpoint=saved)


def explanations(results: Results, samples: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The genes, and gene sets if the recipe names a file of them, behind the scores of samples."""
    name, sets = results.name, pd.DataFrame()
    genes = tl.explain(results.adata, results.detectors[name], model=name, samples=samples)
    if results.recipe.scores.gene_sets is not None:
        known = io.read_gmt(results.recipe.scores.gene_sets)
        sets = tl.explain_gene_sets(results.adata, known, model=name, samples=samples)
    return genes, sets


def _of_samples(table: pd.DataFrame, samples: Sequence[str]) -> pd.DataFrame:
    return table.set_index("sample").loc[list(samples)].reset_index() if len(table) else table


def _evaluate(state: State) -> None:
    """What the encoding is worth."""
    results, how = state.results, state.recipe.evaluation
    found = tl.evaluate(
        results.adata,
        results.models[results.name],
        baselines=how.baselines,
        batch=how.batch,
        seeds=how.seeds,
        training=state.recipe.model.training,
        fitted=results.models,
        device=state.device,
        on_epoch=state.progress.epoch,
    )
    state.results = replace(results, evaluation=found)


def _show_images(state: State) -> None:
    """What models of images have learned; nothing for other data."""
    results, recipe = state.results, state.recipe
    if not is_images(results.adata):
        return
    with state.progress.stage("Looking at images"):
        figures = images.figures_of(
            results.adata,
            results.models,
            recipe.images,
            main=results.name,
            score=results.score(),
            label=recipe.data.label,
            seed=recipe.seed,
            device=state.device,
            on_epoch=state.progress.epoch,
        )
        if state.work is not None:
            figures.save(state.work)


def _embed(state: State) -> None:
    results = state.results
    embed(results.adata, state.recipe.pictures, model=results.name, seed=state.recipe.seed)


def embed(adata: AnnData, how: Pictures, *, model: str, seed: int) -> None:
    """UMAP and t-SNE of the latents (under the usual keys) and of the genes."""
    for use, end in ((keys.latent(model), ""), ("X", keys.OF_GENES)):
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


def _write(state: State) -> None:
    assert state.work is not None  # only the process that has a folder writes
    state.results.write(state.work)
    state.results.write_about(state.work, seconds=state.progress.seconds)
    report.build(state.work)


ANALYSIS = (Stage("Reading", _read), Stage("", _learn), Stage("", _explain))
"""What `analyse` does."""
STAGES = (
    *ANALYSIS,
    Stage("Evaluating the encoding", _evaluate),
    Stage("", _show_images),
    Stage("Embedding", _embed, everywhere=False),
    Stage("Drawing and writing", _write, everywhere=False),
)
"""The stages of a run: here and nowhere else."""
