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
MANY = 1000
"""Samples and features beyond which all principal components take much longer than the first."""
MOST = 20_000
"""Samples that a map is made of, at most: minutes, and more points than can be told apart."""
NEAREST = 5
"""Samples of a map that say where another one stands on it."""
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

    Adds ``obsm[key]``, (n, 2). Coordinates differ between machines: keep the saved ones. Of more
    than 20,000 samples, so many random ones make the map; the others are placed between those.
    """
    x_nk = _input(adata, use, seed)
    rows = _some(len(x_nk), seed)
    learned_mk = x_nk[rows]
    with warnings.catch_warnings(), _torch_threads():
        warnings.simplefilter("ignore")  # of libraries about one another
        import umap as learn

        _keep_compiled()
        n_neighbors = min(n_neighbors, len(rows) - 1)
        many = len(rows) >= ALL_PAIRS
        reducer = learn.UMAP(
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=_neighbours(learned_mk, n_neighbors) if many else (None, None, None),
        )
        place_mp = reducer.fit_transform(learned_mk).astype(np.float32)
    adata.obsm[key] = _with_others(place_mp, rows, x_nk)
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

    Perplexity 20 is the Tybalt paper's. Adds ``obsm[key]``, (n, 2). Of more than 20,000 samples,
    so many random ones make the map; the others are placed between those.
    """
    x_nk = _input(adata, use, seed)
    rows = _some(len(x_nk), seed)
    perplexity = min(perplexity, (len(rows) - 1) / 3)
    with warnings.catch_warnings(), _torch_threads():
        warnings.simplefilter("ignore")
        import openTSNE

        reducer = openTSNE.TSNE(perplexity=perplexity, initialization="pca", random_state=seed)
        place_mp = np.asarray(reducer.fit(x_nk[rows]), dtype=np.float32)
    adata.obsm[key] = _with_others(place_mp, rows, x_nk)
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


def between(z_nk: np.ndarray, known_mk: np.ndarray, place_mp: np.ndarray) -> np.ndarray:
    """Places of samples on a map that was made of others, (n, p): means of those of the 5 nearest,
    by 1 / distance."""
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=min(NEAREST, len(known_mk))).fit(known_mk)
    distance_nj, row_nj = nearest.kneighbors(z_nk)
    weight_nj = 1 / np.maximum(distance_nj, 1e-9 * max(1.0, float(distance_nj.max(initial=0))))
    weight_nj /= weight_nj.sum(1, keepdims=True)
    return np.asarray(np.einsum("nj,njp->np", weight_nj, place_mp[row_nj]))


def _some(n: int, seed: int) -> np.ndarray:
    """The rows that a map is made of."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:MOST]) if n > MOST else np.arange(n)


def _with_others(place_mp: np.ndarray, rows: np.ndarray, x_nk: np.ndarray) -> np.ndarray:
    """The map with all samples on it, (n, 2)."""
    if len(rows) == len(x_nk):
        return place_mp
    place_np = between(x_nk, x_nk[rows], place_mp).astype(np.float32)
    place_np[rows] = place_mp
    return place_np


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


def _input(adata: AnnData, use: str, seed: int) -> np.ndarray:
    if use != "X" and use not in adata.obsm:
        raise DataError(f"no obsm[{use!r}] to embed; run tl.fit first or use='X'")
    return reduced(np.asarray(adata.X if use == "X" else adata.obsm[use]), seed=seed)


def reduced(x_ng: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """What maps are made of: the first principal components of wide inputs, (n, k); of more than
    20,000 samples, those of the ones that make the map."""
    if min(x_ng.shape) <= N_PCS:
        return x_ng.astype(np.float64)
    from sklearn.decomposition import PCA

    rows = _some(len(x_ng), seed)
    learned_mg = x_ng[rows].astype(np.float64)
    # The first alone, to machine precision too, where all would take long.
    solver = "arpack" if min(learned_mg.shape) > MANY else "full"
    pca = PCA(N_PCS, svd_solver=solver, random_state=0)
    if len(rows) == len(x_ng):
        return np.asarray(pca.fit_transform(learned_mg))
    pca.fit(learned_mg)
    return np.concatenate(
        [pca.transform(x_ng[i : i + MOST].astype(np.float64)) for i in range(0, len(x_ng), MOST)]
    )


def _note(adata: AnnData, key: str, **how: object) -> None:
    record(adata, **{key: how})
