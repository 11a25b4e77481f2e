"""The cohort of a recipe: read, checked, divided, and as its model sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like import anomaly, io, pp
from tybalt_like.core import keys
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.provenance import record
from tybalt_like.io import datasets
from tybalt_like.io.pixels import is_images
from tybalt_like.pp.split import MIN_REFERENCE

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.run.recipe import Recipe


def prepared(recipe: Recipe) -> AnnData:
    """Read, divide into splits, and normalise by the training split."""
    adata = read(recipe)
    split(recipe, adata)
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    return pp.Normaliser.fit(adata, recipe.normalize, train=train_n).transform(adata)


def read(recipe: Recipe) -> AnnData:
    """The matrix with its sample table, checked."""
    data = recipe.data
    if data.dataset is not None:
        adata = datasets.load(data.dataset)
    else:
        adata = io.read(
            str(data.path), obs=data.obs, genes_in=data.genes_in, image_size=data.image_size
        )
    if is_images(adata) and recipe.normalize.select != "all":
        raise RecipeError(
            "these samples are images, whose pixels must stay in their places: add [normalize] "
            'units = "zero_one", select = "all", scale = "none" to the recipe'
        )
    if recipe.split.by and data.normal:
        adata = _asked_about(adata, recipe)
    findings = pp.inspect(adata)
    pp.check(findings, at_least=MIN_REFERENCE)
    record(adata, findings=findings.lines())
    if recipe.scores.gene_sets is not None:
        io.read_gmt(recipe.scores.gene_sets)  # a mistake in it is better known before training
    return adata


def _asked_about(adata: AnnData, recipe: Recipe) -> AnnData:
    """Without the samples outside the reference that an official division does not test."""
    columns = (recipe.data.label, recipe.split.by)
    if any(column not in adata.obs for column in columns):
        return adata  # `pp.split` says what is missing
    label_n, part_n = (adata.obs[column].astype(str) for column in columns)
    kept_n = label_n.isin(recipe.data.normal) | (part_n == keys.TEST)
    return adata[kept_n.to_numpy()].copy()


def split(recipe: Recipe, adata: AnnData, *, held_out: NDArray[np.bool_] | None = None) -> None:
    """Divide the reference cohort as the recipe says."""
    data = recipe.data
    pp.split(
        adata,
        label=data.label,
        normal=data.normal,
        train=recipe.split.train,
        calibration=recipe.split.calibration,
        validation=recipe.split.validation,
        held_out=held_out,
        by=recipe.split.by or None,
        seed=recipe.seed,
    )
    named = {"evaluation.batch": recipe.evaluation.batch}
    named["scores.conditional_on"] = recipe.scores.conditional_on
    for key, column in named.items():
        if column is not None and column not in adata.obs:
            raise RecipeError(f"{key}: the sample table has no column {column!r}")
    for label in data.anomalies:
        if not (adata.obs[data.label].astype(str) == label).any():
            raise RecipeError(f"data.anomalies: no sample has {data.label} = {label!r}")


def trim(adata: AnnData, contamination: float) -> int:
    """Turn the strangest samples of training and calibration into query samples.

    The normalisation has seen them: its medians and ranges hardly depend on a few.

    Returns
    -------
    int
        How many.
    """
    of_reference_n = np.isin(adata.obs[keys.SPLIT], (keys.TRAIN, keys.VALIDATION, keys.CALIBRATION))
    reference = np.flatnonzero(of_reference_n)
    left_out = reference[anomaly.trimmed(np.asarray(adata.X)[reference], share=contamination)]
    adata.obs.iloc[left_out, adata.obs.columns.get_loc(keys.SPLIT)] = keys.QUERY
    return len(left_out)
