"""The cohort of a recipe: read, checked, divided, and as its model sees it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from tybalt_like import anomaly, explain, io, pp
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.core.messages import some
from tybalt_like.core.provenance import is_images, record, recorded
from tybalt_like.genes import names_in
from tybalt_like.io import datasets
from tybalt_like.pp.labels import candidates, labels_of, named, with_counts
from tybalt_like.pp.repeats import suggestion
from tybalt_like.pp.scale import FAMILY, Scale
from tybalt_like.pp.sex import Sexes, sexes
from tybalt_like.pp.split import MIN_REFERENCE
from tybalt_like.run import calls, on_disk
from tybalt_like.tl.cross_fit import MOST_TRAININGS_ON, is_closed_form, reference
from tybalt_like.tl.detect import tested
from tybalt_like.tl.score import groups

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.run.recipe import Data, Recipe, Split

IMAGES = {"units": "zero_one", "select": "all", "scale": "none"}
"""Normalisation of pixels."""
LEAST_CALIBRATION = 500
"""Of a model that is trained once: p-values down to 0.002."""


def prepared(recipe: Recipe) -> AnnData:
    """Read, divide into splits, and normalise by the training split.

    Raises
    ------
    RecipeError
        If most of the cohort should stay on disk (``data.in_memory``).
    """
    check_in_memory(recipe)
    adata = read(recipe.data, by=recipe.split.by)
    recipe = check(recipe, adata)
    divide(recipe, adata)
    return pp.Normaliser.fit(adata, recipe.normalize).transform(adata)


def check_in_memory(recipe: Recipe) -> None:
    """Refuse a cohort most of which should stay on disk."""
    if recipe.data.in_memory is not None:
        raise RecipeError("data.in_memory only serves `tybalt-like run`; leave it out here")


def read(data: Data, *, by: str | None = None) -> AnnData:
    """The matrix with its sample table, looked through.

    Parameters
    ----------
    by
        Sample column with an official division; of the samples outside the reference, those that
        it does not test are left out.
    """
    if data.dataset is not None:
        adata = datasets.load(data.dataset)
    elif data.in_memory is not None:
        if by and data.normal:
            raise RecipeError("split.by needs all of the matrix; leave out data.in_memory")
        adata = on_disk.opened(Path(str(data.path)), data.obs)
    else:
        adata = io.read(str(data.path), obs=data.obs, options=data)
    if by and data.normal:
        adata = _asked_about(adata, data, by)
    findings = pp.inspect(adata)
    pp.check(findings, at_least=MIN_REFERENCE)
    lines, doubts = findings.lines(), findings.copies + findings.doubts
    found = sexes(adata, scale=findings.scale)
    if found is not None:
        doubts += found.doubts(list(adata.obs_names))
        lines += [found.finding, *found.doubts(list(adata.obs_names))]
    if not is_images(adata):
        adata.obsm[keys.MEASURED] = _measured(adata, findings.scale, found)
    contradicted = [] if found is None else list(adata.obs_names[found.contradicted_n])
    told = {keys.SAME: findings.same, keys.CONTRADICTED: contradicted}
    record(adata, findings=lines, doubts=doubts, **told)
    return adata


def _measured(adata: AnnData, scale: Scale, found: Sexes | None) -> pd.DataFrame:
    """What the matrix itself tells of every sample (`keys.MEASURED`)."""
    told = pp.quality(adata)
    table = pd.DataFrame(index=adata.obs_names)
    if FAMILY[scale] == "counts":
        table["log10 library size"] = np.log10(np.maximum(told["total"], 1))
    if np.ptp(told["detected"]) > 0:
        table["share of genes detected"] = told["detected"] / adata.n_vars
    if told["missing"].any():
        table["missing values"] = told["missing"]
    if found is not None:
        table["sex by genes"] = found.looks_n.astype(str)
    return table


def check(recipe: Recipe, adata: AnnData) -> Recipe:
    """Refuse what a recipe asks for and the cohort does not have, before anything is trained; the
    recipe with its labels as the cohort spells them.

    Without split.group, a column that asks for it joins the findings (`pp.repeats.suggestion`);
    without a label, so do the columns that could serve.

    Raises
    ------
    RecipeError, DataError
        Names the column, the label or the file.
    """
    if is_images(adata) and recipe.normalize.select != "all":
        keep = ", ".join(f"{key} = {json.dumps(value)}" for key, value in IMAGES.items())
        raise RecipeError(
            "these samples are images, whose pixels must stay in their places: add [normalize] "
            f"{keep} to the recipe"
        )
    named = {"evaluation.batch": recipe.evaluation.batch}
    named["scores.conditional_on"] = recipe.scores.conditional_on
    named["split.group"] = recipe.split.group or None
    for key, column in named.items():
        if column is not None and column not in adata.obs:
            raise RecipeError(f"{key}: the sample table has no column {column!r}")
    if recipe.scores.gene_sets is not None:
        io.read_gmt(recipe.scores.gene_sets)
    explain.check(recipe.explain, adata)
    recipe = replace(recipe, data=_named(recipe.data, adata))
    if recipe.data.label is None and (found := candidates(adata)):
        add_finding(adata, f"columns that could serve as a label: {with_counts(found)}")
    if not recipe.split.group:
        _suggest_groups(recipe.data, adata)
    return recipe


def _named(data: Data, adata: AnnData) -> Data:
    """With labels as the cohort spells them, and the label column as text where labels are
    named."""
    if data.label is None:
        return data
    labels_n = labels_of(adata, data.label)
    if not data.normal:
        return data
    if is_numeric_dtype(adata.obs[data.label].dtype):  # truth values too
        adata.obs[data.label] = [label or None for label in labels_n]
    normal, anomalies = (
        named(adata, data.label, wanted) for wanted in (data.normal, data.anomalies)
    )
    return replace(data, normal=normal, anomalies=anomalies)


def add_finding(adata: AnnData, finding: str) -> None:
    """One more sentence on what the matrix itself tells."""
    record(adata, findings=[*recorded(adata).get("findings", []), finding])


def _suggest_groups(data: Data, adata: AnnData) -> None:
    """Add to the findings which reference samples should stay together, if some should."""
    label = data.label if data.label in adata.obs else None
    reference_n = np.ones(adata.n_obs, dtype=bool)
    if label is not None and data.normal:
        reference_n = np.isin(labels_of(adata, label), data.normal)
    said = suggestion(adata, label=label, reference_n=reference_n)
    if said is not None:
        add_finding(adata, said)


def _asked_about(adata: AnnData, data: Data, by: str) -> AnnData:
    """Without the samples outside the reference that an official division does not test."""
    if data.label is None or by not in adata.obs:
        return adata  # `pp.split` says what is missing
    normal_n = np.isin(labels_of(adata, data.label), named(adata, data.label, data.normal))
    return adata[normal_n | (labels_of(adata, by) == keys.TEST)].copy()


def split(
    adata: AnnData,
    data: Data,
    shares: Split,
    *,
    seed: int,
    held_out: NDArray[np.bool_] | None = None,
) -> None:
    """Divide the reference cohort as the recipe says."""
    pp.split(
        adata,
        label=data.label,
        normal=data.normal,
        train=shares.train,
        calibration=shares.calibration,
        validation=shares.validation,
        held_out=held_out,
        by=shares.by or None,
        group=shares.group or None,
        seed=seed,
    )
    _say_known(adata)


def _say_known(adata: AnnData) -> None:
    """Add to the findings which query samples stand in the reference under another name."""
    about, split = recorded(adata), adata.obs[keys.SPLIT].to_dict()
    known = [
        f"{name} = {other}"
        for names in about.get(keys.SAME, [])
        for name in names
        for other in names
        if split.get(name) == keys.QUERY and split.get(other, keys.QUERY) != keys.QUERY
    ]
    if known:
        said = (
            f"query samples that the reference holds under another name: {len(known):,} "
            f"({some(known)}); they look less strange than they are"
        )
        add_finding(adata, said)


def divide(recipe: Recipe, adata: AnnData) -> None:
    """Divide the cohort as the recipe says, with at least `LEAST_CALIBRATION` samples to calibrate
    a model that decides and is not trained once for every fold."""
    split(adata, recipe.data, recipe.split, seed=recipe.seed)
    if recipe.scores.detector != "model" or int(reference(adata).sum()) <= MOST_TRAININGS_ON:
        return
    split_n, how = adata.obs[keys.SPLIT], recipe.split
    missing = LEAST_CALIBRATION - int((split_n == keys.CALIBRATION).sum())
    if missing > 0:
        more = missing / int((split_n != keys.QUERY).sum())
        kept = 1 - more / (1 - how.calibration)
        how = replace(how, train=how.train * kept, calibration=how.calibration + more)
        split(adata, recipe.data, how, seed=recipe.seed)


def split_sizes(split_n: Sequence[str]) -> dict[str, int]:
    """Samples in each split."""
    order = [keys.TRAIN, keys.VALIDATION, keys.CALIBRATION, keys.TEST, keys.QUERY]
    return {name: int((np.asarray(split_n) == name).sum()) for name in order}


def compared(recipe: Recipe, adata: AnnData) -> AnnData:
    """The samples as a detector sees them, all but the query its reference.

    An official test split is asked about, and of more reference samples than ``scores.n_train`` so
    many random ones are kept.
    """
    split_n = adata.obs[keys.SPLIT].to_numpy(dtype=object).copy()
    if recipe.split.by:
        split_n[split_n == keys.TEST] = keys.QUERY
    adata = adata.copy()
    adata.obs[keys.SPLIT] = split_n.astype(str)
    known, most = np.flatnonzero(split_n != keys.QUERY), recipe.scores.n_train
    if most is None or len(known) <= most:
        return adata
    left_out = np.random.default_rng(recipe.seed).permutation(known)[most:]
    return adata[np.setdiff1d(np.arange(adata.n_obs), left_out)].copy()


def can_fold(recipe: Recipe, seen: AnnData) -> bool:
    """Whether the recipe's model is trained once for every fold of the reference, if it decides."""
    if recipe.scores.folds == 0:
        return False
    return is_closed_form(recipe.model) or int(reference(seen).sum()) <= MOST_TRAININGS_ON


def of_interest(adata: AnnData, path: str) -> tuple[str, ...]:
    """The genes of a list that the matrix holds, as it calls them.

    Raises
    ------
    DataError
        If there are none.
    """
    listed = io.read_gene_list(path)
    found = names_in(adata, listed)
    if not found:
        raise DataError(
            f"{path}: none of its {len(listed):,} genes (such as {listed[0]}) is among those of "
            f"the matrix (such as {adata.var_names[0]})"
        )
    return tuple(found)


def expectation(recipe: Recipe, seen: AnnData) -> str:
    """How small p-values can get with the reference of `compared`, and what a flag takes."""
    how, known_n = recipe.scores, reference(seen)
    pooled = bool(known_n.all())
    if how.detector == "model" and not can_fold(recipe, seen):
        known_n = np.asarray(seen.obs[keys.SPLIT] == keys.CALIBRATION)
    known = seen[known_n]
    calibration = anomaly.Calibration(
        known.n_obs,
        tuple(groups(known, how.conditional_on) or ()),
        tuple(groups(known, recipe.split.group) or ()),
        how.p_values,
    )
    return calls.expectation(calibration, tested=len(tested(seen)), fdr=how.fdr, pooled=pooled)


def trim(adata: AnnData, contamination: float) -> None:
    """Keep the strangest training samples from being learned from: they become calibration samples.

    The normalisation has seen them: its medians and ranges hardly depend on a few.
    """
    training = np.flatnonzero(np.isin(adata.obs[keys.SPLIT], (keys.TRAIN, keys.VALIDATION)))
    left_out = training[anomaly.trimmed(np.asarray(adata.X)[training], share=contamination)]
    adata.obs.iloc[left_out, adata.obs.columns.get_loc(keys.SPLIT)] = keys.CALIBRATION
