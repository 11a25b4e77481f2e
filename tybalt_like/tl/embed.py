"""Two-dimensional pictures of a cohort. Statistics belong on the latent, never on the picture."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from tybalt_like import keys
from tybalt_like.errors import DataError
from tybalt_like.provenance import record

if TYPE_CHECKING:
    from anndata import AnnData

N_PCS = 50
"""Wider inputs (genes) are reduced to so many principal components, as is usual for both."""


def umap(
    adata: AnnData,
    *,
    use: str = "X",
    key: str = keys.UMAP,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
) -> None:
    """UMAP (McInnes et al. 2018; defaults of umap-learn) of ``obsm[use]`` or of ``X``.

    Adds ``obsm[key]``, (n, 2). Coordinates differ between machines: keep the saved ones.
    """
    x_nk = _input(adata, use)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about one another
        import umap as learn

        reducer = learn.UMAP(
            n_neighbors=min(n_neighbors, len(x_nk) - 1),
            min_dist=min_dist,
            random_state=seed,
            n_jobs=1,
        )
        adata.obsm[key] = reducer.fit_transform(x_nk).astype(np.float32)
    _note(adata, key, method="umap", use=use, seed=seed, version=learn.__version__)


def tsne(
    adata: AnnData,
    *,
    use: str = "X",
    key: str = keys.TSNE,
    perplexity: float = 20,
    seed: int = 0,
) -> None:
    """t-SNE (van der Maaten & Hinton 2008) of ``obsm[use]`` or of ``X``, from a PCA start.

    Perplexity 20 is the Tybalt paper's. Adds ``obsm[key]``, (n, 2).
    """
    x_nk = _input(adata, use)
    perplexity = min(perplexity, (len(x_nk) - 1) / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openTSNE

        reducer = openTSNE.TSNE(perplexity=perplexity, initialization="pca", random_state=seed)
        adata.obsm[key] = np.asarray(reducer.fit(x_nk), dtype=np.float32)
    _note(adata, key, method="tsne", use=use, seed=seed, version=openTSNE.__version__)


def _input(adata: AnnData, use: str) -> np.ndarray:
    if use != "X" and use not in adata.obsm:
        raise DataError(f"no obsm[{use!r}] to embed; run tl.fit first or use='X'")
    x_nk = np.asarray(adata.X if use == "X" else adata.obsm[use], dtype=np.float64)
    if min(x_nk.shape) <= N_PCS:
        return x_nk
    from sklearn.decomposition import PCA

    return np.asarray(PCA(N_PCS, svd_solver="full").fit_transform(x_nk))


def _note(adata: AnnData, key: str, **how: object) -> None:
    record(adata, **{key: how})
