"""One latent space: trained, measured on held-out samples, and kept as one file."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like import evaluation, tl
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.genes.gene_sets import GeneSets, covered
from tybalt_like.pp.split import recorded_groups
from tybalt_like.study.compression.plan import Plan, SpaceJob
from tybalt_like.study.store import Finished
from tybalt_like.tl.encoders import few_threads

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.floating]
PROBE = "linear_balanced_accuracy"


@dataclass(frozen=True)
class Space:
    """What is kept of a trained space.

    Attributes
    ----------
    metrics
        ``r2`` and ``mse`` of the test split's reconstruction, ``probe <column>`` (balanced
        accuracy of logistic regression on the held-out samples), ``coverage`` (share of gene sets)
        and ``seconds``.
    train_mk, held_nk
        Latent coordinates of the training and the held-out samples.
    weights_kg
        Contribution of each feature to each gene.
    genes
        Their names.
    covered_s
        Whether each gene set is over-represented in a feature; empty without gene sets.
    """

    metrics: dict[str, float]
    train_mk: Array
    held_nk: Array
    weights_kg: Array
    genes: NDArray[np.str_]
    covered_s: NDArray[np.bool_]

    def finished(self) -> Finished:
        """As a `Store` keeps it."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "metrics"}
        return Finished({"metrics": self.metrics}, arrays)

    @classmethod
    def of(cls, found: Finished) -> Self:
        """From what a `Store` kept."""
        return cls(found.about["metrics"], **found.arrays)


def train_space(
    plan: Plan, job: SpaceJob, adata: AnnData, *, sets: GeneSets | None, device: str
) -> Space:
    """Train and measure one space of the cohort."""
    recipe = plan.recipe(job)
    split = adata.obs[keys.SPLIT]
    train_n, test_n = (np.asarray(split == name) for name in (keys.TRAIN, keys.TEST))
    held_n = test_n | np.asarray(split == keys.QUERY)
    scratch = _scratch(adata, train_n, seed=job.seed if plan.permuted(job.model) else None)
    start = time.perf_counter()
    with few_threads(int(train_n.sum()) * adata.n_vars), warnings.catch_warnings():
        from sklearn.exceptions import ConvergenceWarning

        warnings.simplefilter("ignore", ConvergenceWarning)  # of ICA and NMF, at many k
        tl.fit(
            scratch,
            model=recipe.model,
            seed=job.seed,
            device=device,
            progress=False,
        )
    seconds = time.perf_counter() - start
    z_nk = scratch.obsm[keys.latent(recipe.model.name)]
    decoded_ng = scratch.layers[keys.reconstruction(recipe.model.name)]
    weights_kg = scratch.varm[keys.weights(recipe.model.name)].T
    x_ng = np.asarray(adata.X)
    agreement = evaluation.overall(x_ng[test_n], decoded_ng[test_n], mean_g=x_ng[train_n].mean(0))
    metrics = {name: estimate.value for name, estimate in agreement.items()}
    metrics |= _probes(adata[held_n], z_nk[held_n], labels=plan.compression.labels)
    covered_s = np.zeros(0, dtype=bool) if sets is None else covered(weights_kg, sets)
    if sets is not None:
        metrics["coverage"] = float(covered_s.mean())
    metrics["seconds"] = seconds
    return Space(
        metrics,
        train_mk=z_nk[train_n],
        held_nk=z_nk[held_n],
        weights_kg=weights_kg,
        genes=adata.var_names.to_numpy(str),
        covered_s=covered_s,
    )


def _scratch(adata: AnnData, train_n: NDArray[np.bool_], *, seed: int | None) -> AnnData:
    """A copy to fit on; with a seed, the training values of each gene are permuted."""
    from anndata import AnnData

    x_ng = np.array(adata.X)
    if seed is not None:
        x_ng[train_n] = np.random.default_rng(seed).permuted(x_ng[train_n], axis=0)
    return AnnData(x_ng, obs=adata.obs, var=adata.var[[]])


def _probes(held: AnnData, z_nk: Array, *, labels: tuple[str, ...]) -> dict[str, float]:
    found, group_n = {}, recorded_groups(held)
    for column in labels:
        if column not in held.obs:
            known = ", ".join(map(str, held.obs.columns))
            raise DataError(f"compression.labels: no sample column {column!r}; columns: {known}")
        groups = evaluation.grouped(held.obs[column], group_n)
        if len(groups.classes) < 2:
            raise DataError(
                f"compression.labels: {column} has no two classes of at least "
                f"{evaluation.labels.MIN_PER_CLASS} held-out samples"
                f"{'' if group_n is None else ' in several groups'}"
            )
        known_n = groups.known_n
        probed = evaluation.probe(
            z_nk[known_n],
            groups.code_n[known_n],
            group_n=None if group_n is None else group_n[known_n],
        )
        found[f"probe {column}"] = probed[PROBE].value
    return found
