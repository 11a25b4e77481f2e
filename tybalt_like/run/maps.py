"""The maps of a run, of the genes and of the latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tybalt_like import tl
from tybalt_like.core import keys
from tybalt_like.core.provenance import recorded
from tybalt_like.report.run_contents import BASELINE
from tybalt_like.run.recipe import Pictures
from tybalt_like.tl.embed import between, reduced

if TYPE_CHECKING:
    from anndata import AnnData

Maps = tuple[dict[str, np.ndarray], dict[str, Any]]
"""Places on maps, (n, 2), and how they were found, by key."""


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


def placed(others: AnnData, held: AnnData, *, model: str) -> None:
    """Put others on the maps of the held samples, between those that are nearest to them: by the
    features of the model or, on maps of the genes, by principal components."""
    for end, use in (("", model), (keys.OF_GENES, BASELINE)):
        z_nk, known_mk = (one.obsm[keys.latent(use)] for one in (others, held))
        for key in (keys.UMAP + end, keys.TSNE + end):
            if key in held.obsm:
                others.obsm[key] = between(z_nk, known_mk, held.obsm[key]).astype(np.float32)
