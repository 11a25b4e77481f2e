"""The cohort of a recipe as its model sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tybalt_like import keys, pp
from tybalt_like.run import read, split

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.recipe import Recipe


def prepared(recipe: Recipe) -> AnnData:
    """Read, divide into splits, and normalise by the training split."""
    adata = read(recipe)
    split(recipe, adata)
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    return pp.Normaliser.fit(adata, recipe.normalize, train=train_n).transform(adata)
