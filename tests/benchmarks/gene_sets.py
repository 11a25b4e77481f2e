"""Do features stand for gene sets? Half of every set's genes is hidden; which encoder's features,
chosen by the other half, know them?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from anndata import AnnData
from cohorts import of_tasks
from scipy.stats import rankdata

from tybalt_like import pp, tl
from tybalt_like.benchmark.rows import mean_sd, print_table
from tybalt_like.core import keys
from tybalt_like.genes import identifiers
from tybalt_like.genes.gene_sets import GeneSets
from tybalt_like.io import read_gmt
from tybalt_like.models import Model
from tybalt_like.run.progress import Progress
from tybalt_like.tl.encoders import few_threads

ENCODERS = {
    "PLIER": "plier",
    "PCA": "pca",
    "PPCA-VAE": "ppca_vae",
    "NMF": "nmf",
}
MEAN = "mean of the visible genes"
"""The simple rival: a gene's correlation with it among the training samples."""
SMALLEST = 10
"""Genes of a set that is measured, at least: five are seen and five are hidden."""
K = 50


def gene_sets(
    *, names: Sequence[str] | None = None, seeds: int = 5, progress: Progress
) -> pd.DataFrame:
    """One row per cohort, seed, encoder and set: ``auroc`` of the hidden genes of the set among
    the genes outside of it, by their weights in the feature that has the largest for the visible
    ones; ``confirmed``: whether PLIER says that this feature leans on the set."""
    rows = []
    for name, task, adata in of_tasks(names, progress):
        if task.gene_sets is None:
            continue
        sets = read_gmt(task.gene_sets)
        for seed in range(seeds):
            with progress.stage(f"{name}, seed {seed}"):
                found = _measure(adata, sets, seed=seed)
            rows.append(found.assign(dataset=name, seed=seed))
    return pd.concat(rows, ignore_index=True)


def _measure(adata: AnnData, sets: dict[str, tuple[str, ...]], *, seed: int) -> pd.DataFrame:
    adata = AnnData(adata.X, obs=adata.obs[[]], var=adata.var)
    pp.split(adata, train=0.6, calibration=0.0, validation=0.1, seed=seed)
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    scaled = {
        scale: pp.Normaliser.fit(
            adata, pp.Normalisation(n_genes=2000, scale=scale), train=train_n
        ).transform(adata)
        for scale in ("zscore", "zero_one")
    }
    first = scaled["zscore"]
    within = GeneSets.within(
        list(first.var_names),
        _by_name(GeneSets.within(list(first.var_names), sets, ids=identifiers(first.var))),
        smallest=SMALLEST,
    )
    visible_sg = _half(within.member_sg, np.random.default_rng(seed))
    x_ng = np.asarray(first.X, dtype=np.float64)[train_n]
    k = min(K, len(x_ng) // 3)
    rows = []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "visible.gmt"
        lines = [
            "\t".join([name, "", *first.var_names[seen_g]])
            for name, seen_g in zip(within.names, visible_sg, strict=True)
        ]
        file.write_text("\n".join(lines))
        for name, model in ENCODERS.items():
            given = {"gene_sets": str(file)} if model == "plier" else {}
            domain = Model.named(model).domain
            samples = scaled["zero_one" if domain == "non-negative" else "zscore"].copy()
            with warnings.catch_warnings(), few_threads():
                warnings.simplefilter("ignore")  # solvers that stop early
                fitted = tl.fit(
                    samples, model=model, latent_dim=k, seed=seed, device="cpu", **given
                )
            w_kg = np.asarray(samples.varm[keys.weights(model)].T, dtype=np.float64)
            said = getattr(fitted, "sets_of_features", None)
            if model not in ("plier", "nmf"):  # features with signs have a mirror image
                w_kg = np.concatenate([w_kg, -w_kg])
            found = _found(w_kg, within, visible_sg, said)
            rows += [row | {"encoder": name} for row in found]
    of_mean_sg = np.array([_correlation(x_ng, seen_g) for seen_g in visible_sg])
    for s, name in enumerate(within.names):
        auroc = _auroc(of_mean_sg[s], within.member_sg[s] & ~visible_sg[s], ~within.member_sg[s])
        rows.append({"encoder": MEAN, "set": name, "auroc": auroc, "confirmed": False})
    return pd.DataFrame(rows)


def _by_name(sets: GeneSets) -> dict[str, list[str]]:
    genes = np.array(sets.genes)
    return {n: list(genes[in_g]) for n, in_g in zip(sets.names, sets.member_sg, strict=True)}


def _half(member_sg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random half of the genes, the same in all sets: what one set shows, no other hides."""
    return member_sg & (rng.permutation(member_sg.shape[1]) % 2 == 0)


def _found(
    w_fg: np.ndarray, within: GeneSets, visible_sg: np.ndarray, said: list[list[str]] | None
) -> list[dict[str, object]]:
    rows = []
    for name, member_g, seen_g in zip(within.names, within.member_sg, visible_sg, strict=True):
        best = int(np.argmax([_auroc(w_g, seen_g, ~member_g) for w_g in w_fg]))
        auroc = _auroc(w_fg[best], member_g & ~seen_g, ~member_g)
        confirmed = said is not None and name in said[best]
        rows.append({"set": name, "auroc": auroc, "confirmed": confirmed})
    return rows


def _auroc(value_g: np.ndarray, positive_g: np.ndarray, negative_g: np.ndarray) -> float:
    rank = rankdata(np.concatenate([value_g[positive_g], value_g[negative_g]]))
    n, m = positive_g.sum(), negative_g.sum()
    return float((rank[:n].sum() - n * (n + 1) / 2) / (n * m)) if n and m else np.nan


def _correlation(x_ng: np.ndarray, seen_g: np.ndarray) -> np.ndarray:
    centred_ng = x_ng - x_ng.mean(0)
    mean_n = centred_ng[:, seen_g].mean(1)
    length_g = np.linalg.norm(centred_ng, axis=0) * np.linalg.norm(mean_n)
    return centred_ng.T @ mean_n / np.maximum(length_g, 1e-12)


def print_gene_sets(rows: pd.DataFrame) -> None:
    """Mean AUROC of hidden genes over the sets, and the share of sets with more than 0.7."""
    rows = rows.assign(auroc=rows["auroc"].astype(float))
    for dataset, part in rows.groupby("dataset", sort=False):
        cells = {}
        for encoder, of in part.groupby("encoder", sort=False):
            by_seed = of.groupby("seed")["auroc"]
            shares = by_seed.apply(lambda values: (values > 0.7).mean())
            confirmed = of[of["confirmed"].astype(str) == "True"]  # as read from a table, too
            cells[str(encoder)] = [
                mean_sd(by_seed.mean().tolist()),
                mean_sd(shares.tolist()),
                f"{len(confirmed)}: {confirmed['auroc'].mean():.3f}" if len(confirmed) else "",
            ]
        n_sets = part["set"].nunique()
        title = f"{dataset}, {n_sets} sets, {part['seed'].nunique()} seeds"
        columns = ["AUROC of hidden genes", "share of sets above 0.7", "confirmed ties: AUROC"]
        print_table(title, cells, columns)
