"""A recipe becomes a run folder: the stages in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from tybalt_like import images, report, tl
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import distributed, folders, keys
from tybalt_like.core.helpers import Helpers, one_thread
from tybalt_like.core.provenance import is_images, record
from tybalt_like.core.settings import by_name
from tybalt_like.explain import explained
from tybalt_like.io.lengths import save_lengths
from tybalt_like.models import Model
from tybalt_like.run import cohort
from tybalt_like.run.about import inputs_of
from tybalt_like.run.analysis import ANALYSIS
from tybalt_like.run.folder import KIND
from tybalt_like.run.maps import placed
from tybalt_like.run.progress import Progress
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.results import Results
from tybalt_like.run.state import Stage, State
from tybalt_like.run.told import tell
from tybalt_like.tl.again import trained_again
from tybalt_like.tl.embed import check_maps
from tybalt_like.tl.encoders import is_small
from tybalt_like.tl.score import write_scores

QUICK = 2
"""Further trainings of models that take no time, for the names of features."""


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
            checkpoint = folders.unfinished(out) / folders.CHECKPOINT
            state = State(recipe, device, Progress(quiet=True), checkpoint)
            _go(state, [stage for stage in STAGES if stage.everywhere])
            return out / report.PAGE
        alone, tables = distributed.n_processes() > 1, recipe.to_tables()
        inputs_read = inputs_of(tables)
        with (
            folders.whole_folder(
                out,
                kind=KIND,
                settings={"recipe": by_name(tables), "inputs": inputs_read},
                inputs=[*inputs, *recipe.inputs()],
                resume=resume,
                overwrite=overwrite,
            ) as work,
            Helpers() if alone else Helpers.of_threads() as helpers,
        ):
            state = State(recipe, device, progress, work / folders.CHECKPOINT, work, inputs_read)
            state.helpers = helpers
            state.can_map = helpers.begin(partial(check_maps, recipe.pictures.maps))
            _go(state, STAGES)
    return out / report.PAGE


def analyse(recipe: Recipe, *, device: str = "auto") -> Results:
    """What a run finds, without evaluation, pictures and files.

    Raises
    ------
    RecipeError
        If most of the cohort should stay on disk (``data.in_memory``).
    """
    cohort.check_in_memory(recipe)
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
    adata, others = state.results.adata, state.results.others
    for begun in reversed(state.maps):
        places, notes = begun()
        for key, place_np in places.items():
            adata.obsm[key] = place_np
        record(adata, **notes)
    if others is not None:
        placed(others, adata, model=state.results.name)


def _write(state: State) -> None:
    assert state.work is not None  # only the process that has a folder writes
    state.results.write(state.work)
    save_lengths(state.adata, state.work)
    tell(state.results, state.work, inputs=state.inputs, seconds=state.progress.seconds)
    report.build(state.work, helpers=state.helpers)


STAGES = (
    *ANALYSIS,
    Stage("Evaluating the encoding", _evaluate),
    Stage("Explaining the features", _explain_features),
    Stage("Embedding", _embed, everywhere=False),
    Stage("Drawing and writing", _write, everywhere=False),
)
"""The stages of a run: here and nowhere else."""
