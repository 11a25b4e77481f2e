"""The direction in a latent space from one group of samples to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tybalt_like import interpretation
from tybalt_like.interpretation import Direction
from tybalt_like.interpretation.directions import How
from tybalt_like.models import Model
from tybalt_like.pp.labels import labels_of, named
from tybalt_like.pp.split import kept_together, recorded_groups
from tybalt_like.tl.gene_effects import codes

if TYPE_CHECKING:
    from anndata import AnnData


def direction(
    adata: AnnData,
    model: Model,
    column: str,
    *,
    high: str,
    low: str | None = None,
    how: How = "probe",
    group: str | None = None,
    seed: int = 0,
) -> Direction:
    """A feature made to tell two groups apart: what a model knows of a label.

    Its ``axes`` are a feature like any other: ``axes.scores(codes)`` of samples, genes by
    ``tl.gene_effects(adata, model, axes=...)``. Whether there is anything to read is told by its
    ``auroc``, cross-validated over the samples of both groups; those that the model was trained on
    are among them, without their labels. `adata` stays as it is. See `interpretation.direction`.

    Parameters
    ----------
    adata
        With the latents of `model` (`tl.fit` or `tl.latent`).
    column
        obs column of the labels.
    high, low
        The label that scores high, and the one that scores low: all others that are known if None.
        Several are separated by commas.
    how
        ``"probe"``: by a logistic regression. ``"mean"``: along the difference of the means.
    group
        obs column whose samples stay in one fold; what `pp.split` kept together if None.
    seed
        Of the folds.

    Raises
    ------
    DataError
        If the column or a label does not exist, or there are fewer than 5 samples on a side.
    """
    label_n, highs = labels_of(adata, column), named(adata, column, [high])
    high_n = np.isin(label_n, highs)
    low_n = (label_n != "") & ~high_n
    if low is not None:
        low_n &= np.isin(label_n, named(adata, column, [low]))
    return interpretation.direction(
        codes(adata, model),
        low_n,
        high_n,
        how=how,
        group_n=kept_together(adata, group) if group else recorded_groups(adata),
        name=f"{column}: {', '.join(highs)}",
        seed=seed,
    )
