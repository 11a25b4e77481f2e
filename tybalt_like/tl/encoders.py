"""The encodings that a model is compared with, each learned from the same training samples."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.evaluation.report import GENES, PERMUTED
from tybalt_like.models import Model
from tybalt_like.pp.split import recorded_groups
from tybalt_like.tl.fit import fit, in_split, latent

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]

SMALL = 5_000_000
"""Training matrices with fewer values are factorised faster by one thread than by several."""


def is_small(adata: AnnData) -> bool:
    """Whether one thread is enough for what is fitted to the training samples."""
    return int(in_split(adata, keys.TRAIN).sum()) * int(adata.n_vars) < SMALL


@dataclass(frozen=True)
class Encoding:
    """What one encoder makes of the samples of a `Cohort`.

    Attributes
    ----------
    z_nk
        Latent coordinates.
    reconstruction_tg
        Of the test samples, on the scale of the cohort; None for encodings that are not decoded.
    again
        Latent coordinates of the same encoder trained with other seeds.
    """

    z_nk: Array
    reconstruction_tg: Array | None = None
    again: tuple[Array, ...] = ()


class Cohort:
    """Training, validation and held-out samples, on a scale on which errors can be compared.

    That is the scale of the model, except for counts: there, errors are those of
    ``log2(1 + count)`` at the median library size, or a few genes would decide everything, and
    the baselines would have to work on counts, for which they are not made.
    """

    def __init__(self, adata: AnnData, *, counts: bool) -> None:
        self.adata = adata
        self.train_n = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
        self.test_n = np.asarray(adata.obs[keys.SPLIT] == keys.TEST)
        self.held_n = self.test_n | np.asarray(adata.obs[keys.SPLIT] == keys.QUERY)
        self.group_n = recorded_groups(adata)
        x_ng = np.asarray(adata.X, dtype=np.float64)
        self.library_n1 = np.maximum(x_ng.sum(1, keepdims=True), 1) if counts else None
        self.x_ng = self.comparable(x_ng)

    def comparable(self, x_ng: NDArray[np.floating]) -> Array:
        """Profiles of the samples of this cohort on its scale, (n, g)."""
        return self._comparable(x_ng, self.library_n1)

    def comparable_tests(self, x_ng: NDArray[np.floating]) -> Array:
        """The same of the test samples alone, of profiles of all, (t, g)."""
        library_n1, test_n = self.library_n1, self.test_n
        return self._comparable(x_ng[test_n], None if library_n1 is None else library_n1[test_n])

    def _comparable(self, x_ng: NDArray[np.floating], library_n1: Array | None) -> Array:
        if library_n1 is None or self.library_n1 is None:
            return np.asarray(x_ng, dtype=np.float64)
        typical = np.median(self.library_n1[self.train_n])
        return np.asarray(np.log2(1 + x_ng / library_n1 * typical))

    def bare(self, x_ng: NDArray[np.floating] | None = None) -> AnnData:
        """A scratch copy to fit on, so that the user's AnnData does not fill up."""
        from anndata import AnnData

        x = np.asarray(self.x_ng if x_ng is None else x_ng, dtype=np.float32)
        return AnnData(x, obs=self.adata.obs, var=self.adata.var)


def of_model(cohort: Cohort, model: Model, again: Sequence[Model]) -> dict[str, Encoding]:
    """The model itself, with the same one trained with other seeds."""
    adata, name = cohort.bare(np.asarray(cohort.adata.X)), model.name
    others = list[Array]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what the first training has told already
        for other in again:
            latent(adata, other)
            others.append(_latents(adata, name))
        latent(adata, model)
    reconstruction_tg = cohort.comparable_tests(adata.layers[keys.reconstruction(name)])
    return {name: Encoding(_latents(adata, name), reconstruction_tg, tuple(others))}


def baseline(
    cohort: Cohort,
    name: str,
    *,
    k: int,
    seed: int,
    seeds: Sequence[int],
    fitted: Model | None = None,
) -> tuple[Encoding, list[str]]:
    """A registered model that is solved, at least to start with, with k features, and what to know
    about it.

    `fitted` is that model if it has been trained on the cohort already.
    """
    notes: list[str] = []
    if fitted is not None and cohort.library_n1 is None and fitted.deterministic:
        adata = cohort.bare()
        latent(adata, fitted)
        z_nk = _latents(adata, name)
        return Encoding(z_nk, _decoded(cohort, adata, name), tuple(z_nk for _ in seeds)), notes
    n_train = int(cohort.train_n.sum())
    low_g = np.zeros(cohort.x_ng.shape[1])
    if Model.named(name).domain == "non-negative" and cohort.x_ng.min() < 0:
        low_g = cohort.x_ng[cohort.train_n].min(0)
        notes.append(f"{name} sees each gene as its distance from the lowest training value")
    adata = cohort.bare(np.maximum(cohort.x_ng - low_g, 0) if low_g.any() else None)
    if Model.named(name).domain == "non-negative" and k > n_train:
        k = n_train
        notes.append(f"{name} has {k} features, as many as there are training samples")
    with _watched() as warned, few_threads(n_train * adata.n_vars):
        learned = fit(adata, model=name, seed=seed, device="cpu", latent_dim=k, progress=False)
        z_nk = _latents(adata, name)
        reconstruction_tg = _decoded(cohort, adata, name) + low_g
        again = []
        for other in seeds:
            if not Model.named(name).deterministic:
                fit(adata, model=name, seed=other, device="cpu", latent_dim=k, progress=False)
            again.append(_latents(adata, name))
    if warned:
        notes.append(f"{name} had not converged when its iterations were over")
    most = getattr(learned.config, "max_rows", n_train)
    if most < n_train:
        notes.append(f"{name} learned from {most:,} of {n_train:,} training samples")
    return Encoding(z_nk, reconstruction_tg, tuple(again)), notes


def controls(cohort: Cohort, *, k: int, seed: int) -> dict[str, Encoding]:
    """The genes themselves, and PCA of a cohort in which no gene knows of any other."""
    adata = cohort.bare()
    rng = np.random.default_rng(seed)
    adata.X[cohort.train_n] = rng.permuted(cohort.x_ng[cohort.train_n], axis=0)
    with few_threads(int(cohort.train_n.sum()) * adata.n_vars):
        fit(adata, model="pca", device="cpu", latent_dim=k)
    permuted = Encoding(_latents(adata, "pca"), _decoded(cohort, adata, "pca"))
    return {GENES: Encoding(cohort.x_ng), PERMUTED: permuted}


def _latents(adata: AnnData, name: str) -> Array:
    return np.asarray(adata.obsm[keys.latent(name)], dtype=np.float64)


def _decoded(cohort: Cohort, adata: AnnData, name: str) -> Array:
    """What is decoded of the test samples."""
    found_ng = adata.layers[keys.reconstruction(name)]
    return np.asarray(found_ng[cohort.test_n], dtype=np.float64)


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Collect warnings of solvers that stopped early instead of showing them."""
    from sklearn.exceptions import ConvergenceWarning

    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield said
    said += [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]


@contextmanager
def few_threads(n_values: int = 0) -> Iterator[None]:
    """One thread for small matrices: BLAS threads that wait for each other cost many times what
    they bring, above all where other programs use the processor too."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1 if n_values < SMALL else None, user_api="blas"):
        yield
