"""A recipe becomes a run folder: the stages in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tybalt_like import anomaly, images, io, pp, report, tl
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import distributed, files, keys
from tybalt_like.core.device import pick_device
from tybalt_like.core.helpers import Helpers, one_thread
from tybalt_like.core.provenance import is_images, reading_notes, record, recorded
from tybalt_like.core.settings import by_name
from tybalt_like.explain import explained
from tybalt_like.io.lengths import save_lengths
from tybalt_like.models import Model
from tybalt_like.report.run_contents import BASELINE
from tybalt_like.report.words import counted
from tybalt_like.run import cohort
from tybalt_like.run.about import inputs_of
from tybalt_like.run.folder import KIND
from tybalt_like.run.progress import Progress
from tybalt_like.run.recipe import Pictures, Recipe
from tybalt_like.run.results import Results, norm_scores
from tybalt_like.tl.again import trained_again
from tybalt_like.tl.cross_fit import Detection, cross_fit, folds_of
from tybalt_like.tl.detect import detected, tested
from tybalt_like.tl.embed import check_maps, reduced
from tybalt_like.tl.encoders import is_small
from tybalt_like.tl.explain import strangest
from tybalt_like.tl.score import fit_detector, write_scores
from tybalt_like.tl.scorer import Scorer

if TYPE_CHECKING:
    from anndata import AnnData


Maps = tuple[dict[str, np.ndarray], dict[str, Any]]
"""Places on maps, (n, 2), and how they were found, by key."""
GENES_SHOWN = 200
"""Genes whose values in every sample are written, those that make most samples strange."""
QUICK = 2
"""Further trainings of models that take no time, for the names of features."""


@dataclass
class State:
    """A run under way.

    Attributes
    ----------
    work
        The unfinished folder; None where nothing is written.
    inputs
        The files that are read (`about.inputs_of`).
    adata
        As read, with the split.
    results
        What has been found so far.
    helpers
        Processes that share the work.
    can_map, maps, again
        What they were asked for: whether maps can be made here, maps of the genes and the latents,
        and the model trained with other seeds.
    """

    recipe: Recipe
    device: str
    progress: Progress
    checkpoint: Path | None = None
    work: Path | None = None
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    adata: AnnData = field(init=False)
    results: Results = field(init=False)
    helpers: Helpers = field(default_factory=Helpers)
    can_map: Callable[[], None] = field(default=lambda: None)
    maps: list[Callable[[], Maps]] = field(default_factory=list)
    again: Callable[[], tuple[list[Model], list[str]]] = field(init=False)


class Stage(NamedTuple):
    """A part of a run.

    Attributes
    ----------
    title
        What it is called while it runs, with ``{model}`` for the name of the model.
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
        alone, tables = distributed.n_processes() > 1, recipe.to_tables()
        inputs_read = inputs_of(tables)
        with (
            files.whole_folder(
                out,
                kind=KIND,
                settings={"recipe": by_name(tables), "inputs": inputs_read},
                inputs=[*inputs, *recipe.inputs()],
                resume=resume,
                overwrite=overwrite,
            ) as work,
            Helpers() if alone else Helpers.of_threads() as helpers,
        ):
            state = State(recipe, device, progress, work / files.CHECKPOINT, work, inputs_read)
            state.helpers = helpers
            state.can_map = helpers.begin(partial(check_maps, recipe.pictures.maps))
            _go(state, STAGES)
    return out / report.PAGE


def analyse(recipe: Recipe, *, device: str = "auto") -> Results:
    """What a run finds, without evaluation, pictures and files."""
    state = State(recipe, device, Progress(quiet=True))
    _go(state, ANALYSIS)
    return state.results


def _go(state: State, stages: Sequence[Stage]) -> None:
    state.progress.steps = len(stages)
    for stage in stages:
        titled = state.progress.stage(stage.title.format(model=state.recipe.model.name))
        with titled, _threads(state):
            stage.work(state)


def _threads(state: State) -> AbstractContextManager[None]:
    """One thread for small matrices, on which helpers work too."""
    small = hasattr(state, "results") and is_small(state.results.adata)
    return one_thread() if small else nullcontext()


def _read(state: State) -> None:
    recipe, progress = state.recipe, state.progress
    adata = cohort.read(recipe.data, by=recipe.split.by)
    recipe = cohort.check(recipe, adata)
    cohort.divide(recipe, adata)
    state.adata, state.recipe = adata, recipe
    for line in [*reading_notes(adata), *recorded(adata)["findings"]]:
        progress.say(line)
    sizes = cohort.split_sizes(adata.obs[keys.SPLIT].to_list())
    progress.say(", ".join(f"{n} {name}" for name, n in sizes.items()))
    if recipe.scores.genes_of_interest is not None:
        panel = cohort.of_interest(adata, recipe.scores.genes_of_interest)
        state.recipe = replace(recipe, normalize=replace(recipe.normalize, keep=panel))
        progress.say(f"{counted(len(panel), 'gene')} of interest in the matrix")
    progress.say(cohort.expectation(recipe, cohort.compared(recipe, adata)))


def _normalise(state: State) -> None:
    recipe, adata, progress = state.recipe, state.adata, state.progress
    normaliser = pp.Normaliser.fit(adata, recipe.normalize)
    scaled = normaliser.transform(adata)
    if recipe.data.contamination:
        cohort.trim(scaled, recipe.data.contamination)
    progress.say(f"{scaled.n_vars:,} of {adata.n_vars:,} genes, {recipe.normalize.scale} scale")
    for note in normaliser.notes:
        progress.say(note)
    state.results = Results(recipe, scaled, normaliser)
    if state.work is not None:
        state.can_map()
        state.maps.append(_maps_begun(state, "X", keys.OF_GENES))


def _train(state: State) -> None:
    """The model and, beside it, PCA with as many components."""
    recipe, adata, name = state.recipe, state.results.adata, state.recipe.model.name
    if state.checkpoint is not None and state.checkpoint.exists():
        state.progress.say("goes on from what an interrupted run has kept")
    fitted = tl.fit(
        adata,
        model=recipe.model,
        seed=recipe.seed,
        device=state.device,
        checkpoint=state.checkpoint,
        on_epoch=state.progress.epoch,
    )
    state.progress.say(fitted.history.stopped)
    models = {name: fitted}
    if name != BASELINE:
        k = adata.obsm[keys.latent(name)].shape[1]
        baseline = tl.fit(adata, model=BASELINE, seed=recipe.seed, device="cpu", latent_dim=k)
        models[BASELINE] = baseline
    state.results = replace(state.results, models=models)
    state.again = _again_begun(state)
    if state.work is not None:
        state.maps.append(_maps_begun(state, keys.latent(name), ""))


def _again_begun(state: State) -> Callable[[], tuple[list[Model], list[str]]]:
    """The model trained with other seeds: by a helper, unless it takes all threads or a GPU."""
    adata, recipe, device = state.results.adata, state.recipe, pick_device(state.device)
    train_again = partial(
        trained_again,
        type(adata)(adata.X, obs=adata.obs, var=adata.var, uns=dict(adata.uns)),
        state.results.models[recipe.model.name],
        times=max(0, recipe.evaluation.seeds - 1),
        training=recipe.model.training,
        device=state.device,
    )
    if device.type == "cpu" and is_small(adata):
        return state.helpers.begin(train_again)
    return partial(train_again, on_epoch=state.progress.epoch)


def _maps_begun(state: State, use: str, end: str) -> Callable[[], Maps]:
    """Maps of the genes or of the latents, by a helper."""
    x_nk = state.results.adata.X if use == "X" else state.results.adata.obsm[use]
    how, seed = state.recipe.pictures, state.recipe.seed
    return state.helpers.begin(partial(maps_of, np.asarray(x_nk), how, use=use, end=end, seed=seed))


def _detect(state: State) -> None:
    """Score every sample: by the default detector, by the model, and by the norm of the row."""
    results, recipe, progress = state.results, state.recipe, state.progress
    how, model = detection(recipe), recipe.model
    seen = cohort.compared(recipe, state.adata)
    default = detected(
        seen,
        how,
        normalisation=recipe.normalize,
        seed=recipe.seed,
        on_fold=progress.fold,
        helpers=state.helpers if is_small(results.adata) else None,
    )
    found, scorers, asked = default, {keys.DEFAULT: default.scorer}, tested(seen)
    if recipe.scores.detector == "model" and cohort.can_fold(recipe, seen):
        progress.say(f"the same with {model.name}")
        found = cross_fit(
            seen,
            replace(how, views=recipe.scores.views),
            recipe.normalize,
            model,
            name=model.name,
            fold_n=folds_of(seen, how, seed=recipe.seed),
            seed=recipe.seed,
            device=state.device,
            checkpoint=state.checkpoint,
            on_fold=progress.fold,
        )
        scorers[model.name], of_model = found.scorer, found.scores
    else:
        decides = recipe.scores.detector == "model"
        views = recipe.scores.views if decides else how.views
        detector, of_model = _split_calibrated(results, replace(how, views=views))
        if decides:  # the others were learned from
            split = results.adata.obs[keys.SPLIT]
            asked = list(split.index[split.isin([keys.TEST, keys.QUERY])])
        fitted = results.models[model.name]
        scorers[model.name] = Scorer(model.name, results.normaliser, fitted, detector)
    parts = [default.scores, of_model, norm_scores(results.adata)]
    scores = pd.concat(parts, ignore_index=True)
    scores = tables.with_q_values(scores, fdr=recipe.scores.fdr, tested=asked)
    state.results = replace(results, scorers=scorers, scores=scores, detected=found)


def detection(recipe: Recipe) -> Detection:
    """What a recipe says of its detectors."""
    scores = recipe.scores
    common = tuple(view for view in scores.views or () if view in anomaly.View.registry)
    return Detection(
        views=common or None,
        n_neighbors=scores.n_neighbors,
        folds=scores.folds or None,
        conditional_on=scores.conditional_on,
        group=recipe.split.group,
        contamination=recipe.data.contamination,
        p_values=scores.p_values,
    )


def _split_calibrated(results: Results, how: Detection) -> tuple[anomaly.Detector, pd.DataFrame]:
    """The detector of the trained model, calibrated with a part of the reference."""
    name = results.name
    detector, scores = fit_detector(
        results.adata,
        model=results.models[name],
        n_neighbors=how.n_neighbors,
        combined=how.views,
        conditional_on=how.conditional_on,
        n_train=results.recipe.scores.n_train,
        p_values=how.p_values,
    )
    return detector, scores


def _explain(state: State) -> None:
    """The genes, and gene sets if the recipe names a file of them, behind the scores of the
    flagged or strangest samples."""
    results, found = state.results, state.results.detected
    assert found is not None  # they were scored before
    samples = strangest(results.scores, model=results.decides)
    detector, name, sets = found.scorer.detector, found.scorer.name, pd.DataFrame()
    listed = results.recipe.scores.genes_of_interest
    of_interest = () if listed is None else io.read_gene_list(listed)
    genes = tl.explain(
        found.expected, detector, model=name, samples=samples, of_interest=of_interest
    )
    if results.recipe.scores.gene_sets is not None:
        known = io.read_gmt(results.recipe.scores.gene_sets)
        sets = tl.explain_gene_sets(found.expected, known, model=name, samples=samples)
    rows = found.expected.obs_names.get_indexer(pd.Index(samples))
    closest = pd.DataFrame(
        found.expected.layers[keys.reconstruction(name)][rows].T,
        index=found.expected.var_names.rename("gene"),
        columns=samples,
    )
    nearest = tl.closest_reference(found.expected, samples)
    shown = list(genes["gene"].value_counts(sort=True).index[:GENES_SHOWN])
    values = pd.DataFrame(
        np.asarray(found.expected[:, shown].X, np.float32),
        index=found.expected.obs_names.rename("sample"),
        columns=shown,
    )
    state.results = replace(
        results, genes=genes, gene_sets=sets, closest=closest, nearest=nearest, gene_values=values
    )


def _evaluate(state: State) -> None:
    """What the encoding is worth; nothing if nobody asks."""
    results, how = state.results, state.recipe.evaluation
    if not how.seeds:
        return
    again, notes = list[Model](), list[str]()

    def trained() -> list[Model]:
        found, said = state.again()
        again.extend(found)
        notes.extend(said)
        return found

    found = tl.evaluate(
        results.adata,
        results.models[results.name],
        baselines=how.baselines,
        batch=how.batch,
        seeds=how.seeds,
        again=trained,
        fitted=results.models,
        device=state.device,
        helpers=state.helpers,
    )
    found = replace(found, notes=(*notes, *found.notes))
    state.results = replace(results, evaluation=found, again=tuple(again))


def _explain_features(state: State) -> None:
    """What the latent features mean; of images, what is shown of them."""
    results, recipe = state.results, state.recipe
    if is_images(results.adata):
        _show_images(state)
        return
    model = results.models[results.name]
    again: Sequence[Model] = results.again
    if model.starts_solved or type(model).steps is Model.steps:  # quick, and hardly random
        again, _ = trained_again(
            results.adata,
            model,
            times=QUICK,
            redrawn=True,
            training=recipe.model.training,
            on_epoch=state.progress.epoch,
        )
    adata, score = results.adata, None
    if recipe.explain.time is not None:  # beside the anomaly score
        adata, score = adata.copy(), keys.score(results.decides, tables.COMBINED)
        write_scores(adata, results.scores)
    found = explained(
        adata,
        model,
        recipe.explain,
        again=again,
        score=score,
        unit_g=results.normaliser.unit_g,
        is_log2=results.normaliser.is_log2,
        seed=recipe.seed,
    )
    state.progress.say(found.said[0])
    state.results = replace(results, explained=found)


def _show_images(state: State) -> None:
    """What models of images have learned."""
    results, recipe = state.results, state.recipe
    figures = images.figures_of(
        results.adata,
        results.models,
        recipe.images,
        main=results.name,
        score=results.call(),
        label=recipe.data.label,
        seed=recipe.seed,
        device=state.device,
        on_epoch=state.progress.epoch,
    )
    if state.work is not None:
        figures.save(state.work)


def _embed(state: State) -> None:
    adata = state.results.adata
    for begun in reversed(state.maps):
        places, notes = begun()
        for key, place_np in places.items():
            adata.obsm[key] = place_np
        record(adata, **notes)


def maps_of(x_nk: np.ndarray, how: Pictures, *, use: str, end: str, seed: int) -> Maps:
    """UMAP and t-SNE of latents or genes, by the usual keys and `end`."""
    from anndata import AnnData

    x_nk = reduced(x_nk, seed=seed)  # once for both
    bare = AnnData(obsm={use: x_nk}) if use != "X" else AnnData(x_nk)
    if "umap" in how.maps:
        tl.umap(
            bare,
            use=use,
            key=keys.UMAP + end,
            n_neighbors=how.umap_n_neighbors,
            min_dist=how.umap_min_dist,
            seed=seed,
        )
    if "tsne" in how.maps:
        tl.tsne(bare, use=use, key=keys.TSNE + end, perplexity=how.tsne_perplexity, seed=seed)
    return {key: bare.obsm[key] for key in bare.obsm if key != use}, recorded(bare)


def _write(state: State) -> None:
    assert state.work is not None  # only the process that has a folder writes
    state.results.write(state.work)
    save_lengths(state.adata, state.work)
    state.results.write_about(state.work, inputs=state.inputs, seconds=state.progress.seconds)
    report.build(state.work, helpers=state.helpers)


ANALYSIS = (
    Stage("Reading", _read),
    Stage("Normalising", _normalise),
    Stage("Training {model}", _train),
    Stage("Detecting", _detect),
    Stage("Explaining the scores", _explain),
)
"""What `analyse` does."""
STAGES = (
    *ANALYSIS,
    Stage("Evaluating the encoding", _evaluate),
    Stage("Explaining the features", _explain_features),
    Stage("Embedding", _embed, everywhere=False),
    Stage("Drawing and writing", _write, everywhere=False),
)
"""The stages of a run: here and nowhere else."""
