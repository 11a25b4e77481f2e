"""One latent space: trained, measured on held-out samples, and kept as one file."""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like import evaluation, tl
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError, RunError
from tybalt_like.core.files import whole_file
from tybalt_like.genes.gene_sets import GeneSets, covered
from tybalt_like.study.compression.plan import Cell, Plan
from tybalt_like.tl.encoders import few_threads

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.floating]
PROBE = "linear_balanced_accuracy"


@dataclass(frozen=True)
class Space:
    """What is kept of a trained cell.

    Attributes
    ----------
    identity
        Fingerprint of what it was made from, `Plan.identity`.
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

    identity: str
    metrics: dict[str, float]
    train_mk: Array
    held_nk: Array
    weights_kg: Array
    genes: NDArray[np.str_]
    covered_s: NDArray[np.bool_]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(
                file,
                about=np.array(json.dumps({"identity": self.identity, "metrics": self.metrics})),
                train_mk=self.train_mk,
                held_nk=self.held_nk,
                weights_kg=self.weights_kg,
                genes=self.genes,
                covered_s=self.covered_s,
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file written by `save`."""
        with np.load(path) as stored:
            about = json.loads(str(stored["about"]))
            return cls(**about, **{name: stored[name] for name in stored.files if name != "about"})


def is_done(path: Path, identity: str) -> bool:
    """Whether the cell's file is there.

    Raises
    ------
    RunError
        If it was made with other settings.
    """
    if not path.exists():
        return False
    with np.load(path) as stored:  # reads what is asked for only
        if json.loads(str(stored["about"]))["identity"] == identity:
            return True
    raise RunError(
        f"{path} was made with other settings; repeat those, choose another folder with --out, or "
        "remove the file"
    )


def make(plan: Plan, cell: Cell, adata: AnnData, *, sets: GeneSets | None, device: str) -> Space:
    """Train and measure a cell on the cohort."""
    recipe = plan.recipe(cell)
    split = adata.obs[keys.SPLIT]
    train_n, test_n = (np.asarray(split == name) for name in (keys.TRAIN, keys.TEST))
    held_n = test_n | np.asarray(split == keys.QUERY)
    scratch = _scratch(adata, train_n, seed=cell.seed if plan.permuted(cell.model) else None)
    start = time.perf_counter()
    with few_threads(int(train_n.sum()) * adata.n_vars), warnings.catch_warnings():
        from sklearn.exceptions import ConvergenceWarning

        warnings.simplefilter("ignore", ConvergenceWarning)  # of ICA and NMF, at many k
        tl.fit(
            scratch,
            model=recipe.model_name,
            training=recipe.training_settings,
            seed=cell.seed,
            device=device,
            **recipe.model_config,
        )
    seconds = time.perf_counter() - start
    z_nk = scratch.obsm[keys.latent(recipe.model_name)]
    decoded_ng = scratch.layers[keys.reconstruction(recipe.model_name)]
    weights_kg = scratch.varm[keys.weights(recipe.model_name)].T
    x_ng = np.asarray(adata.X)
    agreement = evaluation.overall(x_ng[test_n], decoded_ng[test_n], mean_g=x_ng[train_n].mean(0))
    metrics = {name: estimate.value for name, estimate in agreement.items()}
    metrics |= _probes(adata[held_n], z_nk[held_n], labels=plan.compression.labels)
    covered_s = np.zeros(0, dtype=bool) if sets is None else covered(weights_kg, sets)
    if sets is not None:
        metrics["coverage"] = float(covered_s.mean())
    metrics["seconds"] = seconds
    return Space(
        plan.identity(cell),
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
    found = {}
    for column in labels:
        if column not in held.obs:
            known = ", ".join(map(str, held.obs.columns))
            raise DataError(f"compression.labels: no sample column {column!r}; columns: {known}")
        groups = evaluation.grouped(held.obs[column])
        if len(groups.classes) < 2:
            raise DataError(
                f"compression.labels: {column} has no two classes of at least "
                f"{evaluation.labels.MIN_PER_CLASS} held-out samples"
            )
        known_n = groups.known_n
        probed = evaluation.probe(z_nk[known_n], groups.code_n[known_n])
        found[f"probe {column}"] = probed[PROBE].value
    return found
