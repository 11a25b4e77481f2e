"""Every encoder on several cohorts: reconstruction, probes, stability, time."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tybalt_like import evaluation, pp, tl
from tybalt_like.benchmark.rows import Kept, mean_sd, print_table
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.evaluation.comparison import PROBES
from tybalt_like.evaluation.report import PERMUTED
from tybalt_like.io import read
from tybalt_like.models import Model
from tybalt_like.run.progress import Progress
from tybalt_like.tl.encoders import Cohort, Encoding, controls, few_threads
from tybalt_like.tl.measures import groups

if TYPE_CHECKING:
    from anndata import AnnData

N_GENES = 2000
MAX_LATENT = 100
PER_FEATURE = 3
"""Training samples for each latent feature, at least; more features than that are mostly noise."""
SCALES = {"real": "zscore", "unit": "zero_one", "non-negative": "zero_one"}


@dataclass(frozen=True)
class Task:
    """A cohort: the labels that are read from its encodings, a column to condition on, one whose
    samples stay together, and a GMT file for models that lean on gene sets."""

    labels: tuple[str, ...]
    covariate: str | None = None
    group: str | None = None
    gene_sets: str | None = None


ENCODERS: dict[str, dict[str, Any]] = {
    "pca": {"name": "pca"},
    "PPCA-VAE": {"name": "ppca_vae"},
    "ica": {"name": "ica"},
    "nmf": {"name": "nmf"},
    "PLIER": {"name": "plier"},
    "linear autoencoder": {"name": "linear_autoencoder"},
    "deep autoencoder": {"name": "deep_autoencoder"},
    "adage": {"name": "adage"},
    "adage, tied": {"name": "adage_tied"},
    "tybalt, as run": {"name": "tybalt", "mode": "as_run"},
    "tybalt": {"name": "tybalt"},
    "tybalt, two hidden": {"name": "tybalt", "hidden_dim": 100},
    "conditional tybalt": {"name": "conditional_tybalt"},
    "beta-VAE": {"name": "beta_vae"},
    "beta-TC-VAE": {"name": "beta_tc_vae"},
    "MMD-VAE": {"name": "mmd_vae"},
    "DIP-VAE": {"name": "dip_vae"},
    "count VAE": {"name": "count_vae"},
}
"""Settings beyond each model's defaults."""
ROTATED = "pca, rotated at random"
"""Control: the same distances, other axes. What it gains on PCA is no knowledge but the linear
probe's, which gives every feature the same spread, the last components too."""
COLUMNS = ["dataset", "encoder", "seed", "metric", "column", "value", "minus_pca"]


def latent(
    cohorts: Iterable[tuple[str, Task, AnnData]],
    *,
    seeds: int = 5,
    encoders: Sequence[str] | None = None,
    file: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure all encoders, each with its own defaults, on cohorts.

    Each seed holds out 40 % of the samples anew; all encoders have as many features, a third of
    the training samples, at most 100, and no more than there are genes: PCA has no more. Probes
    and reconstruction see held-out samples only.
    Reconstruction is the median over genes of R2, which does not depend on the genes' scales.
    Stability compares, for the first seed, two trainings on the same samples.

    Parameters
    ----------
    cohorts
        Name, what is read from the encodings, and samples.
    encoders
        Some of `ENCODERS`; all if None.
    file
        Table that the rows are written to after each seed; what it holds already is not measured
        again.

    Returns
    -------
    pandas.DataFrame
        One row per ``dataset``, ``encoder``, ``seed``, ``metric`` and label ``column``, with
        ``value`` and ``minus_pca``.
    """
    progress, kept = progress or Progress(quiet=True), Kept(file, ("dataset", "seed"))
    encoders = encoders or tuple(ENCODERS)
    if unknown := set(encoders) - set(ENCODERS):
        raise RecipeError(f"unknown encoder {min(unknown)!r}; known: {', '.join(ENCODERS)}")
    for dataset, task, adata in cohorts:
        for seed in range(seeds):
            if kept.has(dataset, seed):
                continue
            with progress.stage(f"{dataset}, seed {seed}"):
                table = _measure(adata, task, encoders, seed=seed, progress=progress)
            kept.add(table.assign(dataset=dataset, seed=seed)[COLUMNS])
    return kept.rows()


def of_file(
    path: str,
    *,
    labels: Sequence[str],
    covariate: str | None = None,
    group: str | None = None,
    gene_sets: str | None = None,
    obs: str | Path | None = None,
    reading: Mapping[str, Any] | None = None,
) -> tuple[str, Task, AnnData]:
    """A cohort of one's own; see `latent`.

    Raises
    ------
    DataError
        If a column does not exist.
    """
    adata = read(path, obs=obs, **(reading or {}))
    for column in (*labels, *(name for name in (covariate, group) if name)):
        if column not in adata.obs:
            known = ", ".join(map(str, adata.obs.columns)) or "none"
            raise DataError(f"{path}: no column {column!r} in the sample table; columns: {known}")
    return Path(path).name, Task(tuple(labels), covariate, group, gene_sets), adata


def _measure(
    adata: AnnData, task: Task, encoders: Sequence[str], *, seed: int, progress: Progress
) -> pd.DataFrame:
    """All encoders on one division of a cohort."""
    adata = type(adata)(adata.X, obs=adata.obs, var=adata.var)
    used = {*task.labels, task.covariate, task.group}
    adata.obs = adata.obs[[column for column in adata.obs if column in used]].copy()
    # 54 % to train, 6 % to stop early by, 40 % held out.
    pp.split(adata, train=0.6, calibration=0.0, validation=0.1, group=task.group, seed=seed)
    scaled = _Scaled(adata)
    if scaled.k < MAX_LATENT:
        progress.say(f"{scaled.k} features: {scaled.limit}")
    encodings: dict[str, Encoding] = {}
    measured: dict[str, dict[str, evaluation.Estimate]] = {}
    for name in encoders:
        settings = dict(ENCODERS[name])
        model, domain = settings.pop("name"), Model.named(ENCODERS[name]["name"]).domain
        if domain == "counts" and not scaled.is_counts:
            continue
        if model == "conditional_tybalt":
            if task.covariate is None:
                continue
            settings["covariates"] = (task.covariate,)
        if model == "plier":
            if task.gene_sets is None:
                continue
            settings["gene_sets"] = task.gene_sets
        cohort = scaled.cohort(domain)
        start = time.perf_counter()
        settings["latent_dim"] = scaled.k
        encodings[name] = _encode(cohort, model, seed=seed, again=seed == 0, **settings)
        seconds = (time.perf_counter() - start) / (2 if seed == 0 else 1)
        measured[name] = _agreement(cohort, encodings[name]) | {
            "seconds": evaluation.Estimate(seconds)
        }
    if "pca" in encodings:
        encodings[ROTATED] = _rotated(encodings["pca"], seed=seed)
    encodings |= controls(scaled.cohort("real"), k=scaled.k, seed=seed)
    measured[PERMUTED] = _agreement(scaled.cohort("real"), encodings[PERMUTED])
    with few_threads():
        cohort = scaled.cohort("real")
        cohort.adata.obs = cohort.adata.obs[[keys.SPLIT, *task.labels]]
        probed, _, _ = groups(cohort, encodings, batch=None, seed=seed)
    n = int(scaled.cohort("real").test_n.sum())
    return pd.concat([evaluation.tabulate(measured, n=n), *probed], ignore_index=True)


class _Scaled:
    """A cohort on the scale of every domain, with the same genes on each.

    Attributes
    ----------
    k, limit
        Features of every encoder, and what keeps them from being more.
    """

    def __init__(self, adata: AnnData) -> None:
        self.adata = adata
        self.train_n = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
        self.is_counts = pp.inspect(adata).scale == "counts"
        self._cohorts: dict[str, Cohort] = {}
        n_train, n_genes = int(self.train_n.sum()), self.cohort("real").adata.n_vars
        limits = {
            MAX_LATENT: "at most",
            n_genes: f"as many as genes, {n_genes}",
            max(1, n_train // PER_FEATURE): f"a third of {n_train} training samples",
        }
        self.k = min(limits)
        self.limit = limits[self.k]

    def cohort(self, domain: str) -> Cohort:
        if domain not in self._cohorts:
            self._cohorts[domain] = Cohort(self._normalised(domain), counts=domain == "counts")
        return self._cohorts[domain]

    def _normalised(self, domain: str) -> AnnData:
        how = pp.Normalisation(n_genes=N_GENES, scale=SCALES.get(domain, "zscore"))
        if domain == "counts":
            genes = tuple(self.cohort("real").adata.var_names)
            how = pp.Normalisation(genes=genes, library="none", log="no", scale="none")
        return pp.Normaliser.fit(self.adata, how, train=self.train_n).transform(self.adata)


def _encode(cohort: Cohort, model: str, *, seed: int, again: bool, **settings: Any) -> Encoding:
    """An encoder trained on the cohort, and once more with another seed if wanted."""
    latents, decoded = [], []
    for run in (seed, seed + 1) if again else (seed,):
        adata = cohort.bare(np.asarray(cohort.adata.X))
        with warnings.catch_warnings(), few_threads(adata.n_obs * adata.n_vars):
            warnings.simplefilter("ignore")  # solvers that stop early; unknown covariates
            tl.fit(adata, model=model, seed=run, device="cpu", progress=False, **settings)
        latents.append(np.asarray(adata.obsm[keys.latent(model)], dtype=np.float64))
        decoded.append(adata.layers[keys.reconstruction(model)])
    return Encoding(latents[0], cohort.comparable_tests(decoded[0]), tuple(latents[1:]))


def _rotated(encoding: Encoding, *, seed: int) -> Encoding:
    """The same in a random orthonormal basis."""
    k = encoding.z_nk.shape[1]
    axes_kk, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(k, k)))
    return Encoding(encoding.z_nk @ axes_kk)


def _agreement(cohort: Cohort, encoding: Encoding) -> dict[str, evaluation.Estimate]:
    """Median R2 of the genes of the test samples and, of two trainings, their alignment."""
    test_n, mean_g = cohort.test_n, cohort.x_ng[cohort.train_n].mean(0)
    assert encoding.reconstruction_tg is not None  # every encoder here decodes
    of_gene = evaluation.per_gene(cohort.x_ng[test_n], encoding.reconstruction_tg, mean_g=mean_g)
    measured = {"gene_r2": evaluation.quartiles(of_gene, of="gene")["gene_r2"]}
    for other in encoding.again:
        cka = evaluation.linear_cka(encoding.z_nk[test_n], other[test_n])
        measured["cka"] = evaluation.Estimate(cka)
    return measured


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per encoder: both probes' balanced accuracy and the median gene R2, beside PCA's.

    Cohorts count alike, whatever their number of labels, and are the units of the standard error
    of the difference to PCA; of a single cohort, its labels are. Divisions of the same samples
    into training and held-out ones are averaged over and are no units: they share what is
    peculiar to these samples. NaN where there is one unit.

    Returns
    -------
    pandas.DataFrame
        ``value``, ``minus_pca`` and its ``standard_error``, ``worst``, the smallest difference of
        a unit; ``gene_r2``, ``r2_minus_pca`` and the smallest of a cohort, ``r2_worst``; and the
        numbers of ``cohorts`` and ``labels``.
    """
    numbers = ["value", "minus_pca"]
    probes = rows[rows["metric"].isin(PROBES)]
    by_label = probes.groupby(["encoder", "dataset", "column"], sort=False)[numbers].mean()
    by_cohort = by_label.groupby(["encoder", "dataset"], sort=False).mean()
    of_encoder = by_cohort.groupby("encoder", sort=False)
    units = by_label if _unit(rows) == "label" else by_cohort
    apart = units["minus_pca"].groupby("encoder", sort=False)
    r2 = rows[rows["metric"] == "gene_r2"].groupby(["encoder", "dataset"])[numbers].mean()
    of_r2 = r2.groupby("encoder")
    return of_encoder.mean().assign(
        standard_error=apart.sem(),
        worst=apart.min(),
        gene_r2=of_r2["value"].mean(),
        r2_minus_pca=of_r2["minus_pca"].mean(),
        r2_worst=of_r2["minus_pca"].min(),
        cohorts=of_encoder.size(),
        labels=by_label.groupby("encoder", sort=False).size(),
    )


def _unit(rows: pd.DataFrame) -> str:
    """Over what a mean is taken and its error is."""
    return "label" if len(rows["dataset"].unique()) == 1 else "cohort"


def print_latent(rows: pd.DataFrame) -> None:
    """A table per cohort, and one over all."""
    for dataset, part in rows.groupby("dataset", sort=False):
        measures = [("gene_r2", ""), ("cka", "")]
        labels = [label for label in part["column"].unique() if label]
        measures += [(metric, label) for label in labels for metric in PROBES]
        measures += [("seconds", "")]
        found = {
            key: of["value"].tolist()
            for key, of in part.groupby(["encoder", "metric", "column"], sort=False)
        }
        cells = {
            str(encoder): [mean_sd(found.get((encoder, *measure), [])) for measure in measures]
            for encoder in part["encoder"].unique()
        }
        title = f"{dataset}, mean ± SD of {part['seed'].nunique()} seeds"
        print_table(title, cells, [_heading(*measure) for measure in measures])
    cells = {
        str(encoder): [
            _number(row["value"]),
            _difference(row["minus_pca"], row["standard_error"]),
            _number(row["worst"], signed=True),
            _number(row["gene_r2"]),
            _number(row["r2_minus_pca"], signed=True),
            _number(row["r2_worst"], signed=True),
            f"{row['cohorts']:.0f}, {row['labels']:.0f}",
        ]
        for encoder, row in summary(rows).to_dict(orient="index").items()
    }
    unit = _unit(rows)
    columns = ["balanced accuracy of both probes", f"minus PCA ± SE over {unit}s", f"worst {unit}"]
    columns += ["median gene R2", "minus PCA", "worst cohort", "cohorts, labels"]
    print_table("All labels of all cohorts", cells, columns)


def _number(value: float, *, signed: bool = False) -> str:
    """Nothing where nothing was measured, as PCA's difference to itself."""
    return "" if np.isnan(value) else f"{value:{'+' if signed else ''}.3f}"


def _difference(value: float, error: float) -> str:
    return _number(value, signed=True) + ("" if np.isnan(error) else f" ± {error:.3f}")


def _heading(metric: str, column: str) -> str:
    heading = {"gene_r2": "median gene R2", "cka": "CKA of two seeds"}.get(metric, metric)
    return f"{column}, {metric.split('_', maxsplit=1)[0]}" if column else heading
