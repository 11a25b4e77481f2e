"""Two-dimensional pictures of a cohort. Statistics belong on the latent, never on the picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.core.provenance import record

if TYPE_CHECKING:
    from anndata import AnnData

LIBRARIES = {"umap": "umap", "tsne": "openTSNE"}
COMPILED = ("umap.umap_", "umap.layouts")
"""Modules whose functions numba would compile anew in every process: 10 s of work."""
ALL_PAIRS = 4096
"""From so many samples on umap-learn finds neighbours by a search that takes half a minute to
compile; neighbours from all distances are quicker for tens of thousands, and exact."""
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
    with warnings.catch_warnings(), _torch_threads():
        warnings.simplefilter("ignore")  # of libraries about one another
        import umap as learn

        _keep_compiled()
        n_neighbors = min(n_neighbors, len(x_nk) - 1)
        reducer = learn.UMAP(
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=_neighbours(x_nk, n_neighbors) if len(x_nk) >= ALL_PAIRS else _NONE,
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
    with warnings.catch_warnings(), _torch_threads():
        warnings.simplefilter("ignore")
        import openTSNE

        reducer = openTSNE.TSNE(perplexity=perplexity, initialization="pca", random_state=seed)
        adata.obsm[key] = np.asarray(reducer.fit(x_nk), dtype=np.float32)
    _note(adata, key, method="tsne", use=use, seed=seed, version=openTSNE.__version__)


def check_maps(maps: Sequence[str]) -> None:
    """Import what the maps need, which may fail, before anything is trained.

    Raises
    ------
    RecipeError
        If a library cannot be imported.
    """
    for method in maps:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import_module(LIBRARIES[method])
        except Exception as error:  # numba raises what it likes
            reason = " ".join(str(error).split())[:200]
            raise RecipeError(
                f"{method} maps cannot be made here ({reason}); mend that, or leave them out with "
                "pictures.maps"
            ) from error


_NONE = (None, None, None)


def _neighbours(x_nk: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, None]:
    """As umap-learn takes them: rows of the nearest samples, each its own first, and distances."""
    from sklearn.neighbors import NearestNeighbors

    x_nk = x_nk.astype(np.float32)
    found = NearestNeighbors(n_neighbors=n, algorithm="brute").fit(x_nk)
    distance_nj, row_nj = found.kneighbors(x_nk)
    return row_nj, distance_nj, None


def _keep_compiled() -> None:
    """Have numba keep on disk what it compiles for UMAP, as it does for pynndescent."""
    for module in COMPILED:
        for function in vars(import_module(module)).values():
            if hasattr(function, "enable_caching"):
                with suppress(RuntimeError):  # there is no place to keep it
                    function.enable_caching()


@contextmanager
def _torch_threads() -> Iterator[None]:
    """Give torch its number of threads back, which numba's changes."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
