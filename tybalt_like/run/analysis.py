"""What a run finds, without evaluation, pictures and files: the first stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like import anomaly, io, pp, tl
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.device import pick_device
from tybalt_like.core.provenance import reading_notes, record, recorded
from tybalt_like.models import Model
from tybalt_like.report.run_contents import BASELINE
from tybalt_like.report.words import counted
from tybalt_like.run import cohort, on_disk
from tybalt_like.run.maps import Maps, maps_of
from tybalt_like.run.on_disk import OnDisk
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.results import Results, norm_of, norm_scores
from tybalt_like.run.state import Stage, State
from tybalt_like.tl.again import trained_again
from tybalt_like.tl.cross_fit import Detection, cross_fit, folds_of
from tybalt_like.tl.detect import detected, tested
from tybalt_like.tl.encoders import is_small
from tybalt_like.tl.explain import strangest
from tybalt_like.tl.score import fit_detector
from tybalt_like.tl.scorer import Scorer

if TYPE_CHECKING:
    pass


GENES_SHOWN = 200
"""Genes whose values in every sample are written, those that make most samples strange."""


def _read(state: State) -> None:
    recipe, progress = state.recipe, state.progress
    adata = cohort.read(recipe.data, by=recipe.split.by)
    recipe = cohort.check(recipe, adata)
    cohort.divide(recipe, adata)
    state.adata, state.recipe = adata, recipe
    if (most := recipe.data.in_memory) is not None:
        held = OnDisk.divided(adata, most, seed=recipe.seed)
        if len(held.others_n):
            state.cohort = held
            cohort.add_finding(adata, held.finding)
        state.adata = held.held()
    for line in [*reading_notes(adata), *recorded(adata)["findings"]]:
        progress.say(line)
    sizes = cohort.split_sizes(adata.obs[keys.SPLIT].to_list())
    progress.say(", ".join(f"{n} {name}" for name, n in sizes.items()))
    if recipe.scores.genes_of_interest is not None:
        panel = cohort.of_interest(adata, recipe.scores.genes_of_interest)
        state.recipe = replace(recipe, normalize=replace(recipe.normalize, keep=panel))
        progress.say(f"{counted(len(panel), 'gene')} of interest in the matrix")
    progress.say(cohort.expectation(recipe, cohort.compared(recipe, state.adata)))


def _normalise(state: State) -> None:
    recipe, adata, progress = state.recipe, state.adata, state.progress
    everyone = adata if state.cohort is None else state.cohort.adata
    normaliser = pp.Normaliser.fit(everyone, recipe.normalize)
    scaled = normaliser.transform(adata)
    if recipe.data.contamination:
        cohort.trim(scaled, recipe.data.contamination)
    progress.say(f"{scaled.n_vars:,} of {adata.n_vars:,} genes, {recipe.normalize.scale} scale")
    for note in normaliser.notes:
        progress.say(note)
    state.results = Results(recipe, scaled, normaliser)
    if state.cohort is not None:
        assert state.checkpoint is not None  # `analyse` takes no cohort on disk
        path = state.checkpoint.with_name(on_disk.NORMALISED)
        scaled = on_disk.normalised(everyone, normaliser, path)
        state.results = replace(state.results, everyone=scaled)
    if state.work is not None:
        state.can_map()
        state.maps.append(_maps_begun(state, "X", keys.OF_GENES))


def _train(state: State) -> None:
    """The model and, beside it, PCA with as many components."""
    recipe, adata, name = state.recipe, state.results.adata, state.recipe.model.name
    if state.checkpoint is not None and state.checkpoint.exists():
        state.progress.say("goes on from what an interrupted run has kept")
    everyone = state.results.whole
    fitted = tl.fit(
        everyone,
        model=recipe.model,
        seed=recipe.seed,
        device=state.device,
        checkpoint=state.checkpoint,
        on_epoch=state.progress.epoch,
    )
    state.progress.say(fitted.history.stopped)
    models = {name: fitted}
    if name != BASELINE:
        k = everyone.obsm[keys.latent(name)].shape[1]
        baseline = tl.fit(everyone, model=BASELINE, seed=recipe.seed, device="cpu", latent_dim=k)
        models[BASELINE] = baseline
    if everyone is not adata:
        for one in models.values():
            tl.latent(adata, one)
            record(adata, **{one.name: recorded(everyone)[one.name]})
    state.results = replace(state.results, models=models)
    state.again = _again_begun(state)
    if state.work is not None:
        state.maps.append(_maps_begun(state, keys.latent(name), ""))


def _again_begun(state: State) -> Callable[[], tuple[list[Model], list[str]]]:
    """The model trained with other seeds: by a helper, unless it takes all threads or a GPU."""
    adata, recipe, device = state.results.adata, state.recipe, pick_device(state.device)
    everyone = state.results.whole
    train_again = partial(
        trained_again,
        type(adata)(everyone.X, obs=everyone.obs, var=everyone.var, uns=dict(everyone.uns)),
        state.results.models[recipe.model.name],
        times=max(0, recipe.evaluation.seeds - 1),
        training=recipe.model.training,
        device=state.device,
    )
    if device.type == "cpu" and is_small(adata) and everyone is adata:
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
    everyone = seen if state.cohort is None else state.cohort.adata
    found, scorers, asked = default, {keys.DEFAULT: default.scorer}, tested(everyone)
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
            split = everyone.obs[keys.SPLIT]
            asked = list(split.index[split.isin([keys.TEST, keys.QUERY])])
        fitted = results.models[model.name]
        scorers[model.name] = Scorer(model.name, results.normaliser, fitted, detector)
    parts = [default.scores, of_model, norm_scores(results.adata)]
    if state.cohort is not None:
        norm = norm_of(results.adata)
        parts.append(
            on_disk.scored(
                state.cohort, scorers, results.normaliser, norm, on_part=progress.samples
            )
        )
    scores = pd.concat(parts, ignore_index=True)
    scores = tables.with_q_values(scores, fdr=recipe.scores.fdr, tested=asked)
    results = replace(results, scorers=scorers, scores=scores, detected=found)
    if state.cohort is not None:
        strange = on_disk.strangest(state.cohort, scores, model=results.decides)
        results = results if strange is None else results.with_others(strange)
    state.results = results


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
    held = set(found.expected.obs_names)  # of a cohort on disk, what is shown
    samples = [one for one in strangest(results.scores, model=results.decides) if one in held]
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


ANALYSIS = (
    Stage("Reading", _read),
    Stage("Normalising", _normalise),
    Stage("Training {model}", _train),
    Stage("Detecting", _detect),
    Stage("Explaining the scores", _explain),
)
"""What `analyse` does."""
