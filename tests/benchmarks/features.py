"""What features mean: whether they are found again, and which is sex, a subtype or an amplicon.

Every seed draws the training samples anew (72 %), so that models without a random part are tried
too, and trains anew. The features of each model are read as they are, and rotated.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from suite import cohort

from tybalt_like import pp, tl
from tybalt_like.benchmark.rows import Kept, mean_sd, print_table
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.genes import convert
from tybalt_like.interpretation import Axes, stability
from tybalt_like.models import Model
from tybalt_like.run.progress import Progress
from tybalt_like.tl.encoders import few_threads
from tybalt_like.tl.gene_effects import codes, own_axes

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]

ENCODERS = ("pca", "ica", "nmf", "tybalt", "ppca_vae")
OWN, ROTATIONS = "own", ("varimax", "ica")
SCALES = {"unit": "zero_one", "non-negative": "zero_one"}
MAX_LATENT, PER_FEATURE = 50, 3
"""Features at most, and training samples for each of them at least."""
OF_FEATURE = 20
"""Genes that stand for a feature."""
DRAWS = 200
"""Random sets of genes that known ones are compared with."""
COLUMNS = ["dataset", "encoder", "axes", "seed", "metric", "column", "value"]


@dataclass(frozen=True)
class Known:
    """What is known of a cohort: labels that a feature may be, and genes that change together."""

    cohort: str
    n_genes: int
    labels: dict[str, tuple[str, str]]
    markers: dict[str, str]


SEX = {"female": ("sex", "Female")}
SEX_GENES = {"sex": "XIST RPS4Y1 DDX3Y KDM5D EIF1AY UTY USP9Y ZFY NLGN4Y"}
KNOWN = {
    "geuvadis, 2,000 genes": Known("geuvadis_counts", 2000, SEX, SEX_GENES),
    "geuvadis, 5,000 genes": Known("geuvadis_counts", 5000, SEX, SEX_GENES),
    "tcga_brca": Known(
        "tcga_brca",
        5000,
        {name: ("pam50", name) for name in ("Basal-like", "HER2-enriched", "Luminal A")},
        {
            "luminal, basal": "ESR1 GATA3 FOXA1 KRT5 KRT17 FOXC1",
            "estrogen": "ESR1 GATA3 FOXA1 TFF1 AGR2 XBP1",
            "HER2 amplicon": "ERBB2 GRB7 STARD3 PGAP3",
            "proliferation": "MKI67 UBE2C BIRC5 CCNB1 AURKA TOP2A",
        },
    ),
    "all_leukaemia": Known("all_leukaemia", 5000, {"B": ("lineage", "B"), "F": ("sex", "F")}, {}),
}
"""The last one took no part in any choice of how features are read."""


@dataclass(frozen=True)
class Reading:
    """Features of one trained model: their gene effects on the scale of the model and in log2
    units, their scores, and what their `OF_FEATURE` largest genes alone tell of the samples."""

    effects_jg: Array
    log2_jg: Array
    score_nj: Array
    genes_nj: Array


def features(
    *, only: Sequence[str] | None, seeds: int, file: Path | None, progress: Progress
) -> pd.DataFrame:
    """Every model and way to read it, on every cohort.

    Returns
    -------
    pandas.DataFrame
        Rows of `COLUMNS`. ``features``: how many have an effect; ``stable``: how many of them are
        found in most other seeds (`interpretation.stability`, in log2 units); ``held``: the share
        of what the model decodes, of the variance over training samples, that these hold. For each
        label the AUROC of the feature that tells it best among training samples: of these,
        ``seen``; of the others, ``auroc``; of the others by its 20 largest genes alone, ``genes``;
        and ``place``, its place by size of effects, and ``found``, the share of other seeds that
        have it.
        For each set of genes ``rank``, their median rank by log2 units in the feature where it is
        lowest, and ``chance``, the lowest of as many random genes.
    """
    if unknown := set(only or ()) - set(KNOWN):
        raise DataError(f"unknown cohort {min(unknown)!r}; known: {', '.join(KNOWN)}")
    kept = Kept(file, ("dataset", "encoder"))
    for name in only or KNOWN:
        try:
            adata = cohort(KNOWN[name].cohort)
        except (DataError, OSError) as error:
            progress.say(f"left out: {error}")
            continue
        for encoder in ENCODERS:
            if kept.has(name, encoder):
                continue
            with progress.stage(f"{name}, {encoder}"), few_threads():
                rows = _measured(adata, KNOWN[name], encoder, seeds=seeds)
            kept.add(rows.assign(dataset=name, encoder=encoder)[COLUMNS])
    return kept.rows()


def _measured(adata: AnnData, known: Known, encoder: str, *, seeds: int) -> pd.DataFrame:
    genes: tuple[str, ...] = ()
    trained: list[tuple[AnnData, dict[str, Reading]]] = []
    for seed in range(seeds):
        one, model, factor_g = _encoded(adata, known, encoder, genes, seed=seed)
        genes = tuple(one.var_names)
        axes = {OWN: own_axes(one, model)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # FastICA that has not converged
            axes |= {how: tl.rotate(one, model, how=how, seed=seed) for how in ROTATIONS}
        trained.append((one, {how: _read(one, model, of, factor_g) for how, of in axes.items()}))
    symbol_g = np.array([symbol or "" for symbol in _symbols(genes)])
    rows = []
    for how in (OWN, *ROTATIONS):
        for seed, (one, readings) in enumerate(trained):
            others = [of[how].log2_jg for i, (_, of) in enumerate(trained) if i != seed]
            found_j = stability(readings[how].log2_jg, others)["found"].to_numpy()
            rows += [
                (how, seed, *row)
                for row in (
                    *_stable(one, encoder, readings[how], found_j),
                    *_of_labels(one, known, readings[how], found_j),
                    *_of_markers(known, readings[how], symbol_g, seed=seed),
                )
            ]
    return pd.DataFrame(rows, columns=["axes", "seed", "metric", "column", "value"])


def _encoded(
    adata: AnnData, known: Known, encoder: str, genes: tuple[str, ...], *, seed: int
) -> tuple[AnnData, Model, Array]:
    """A trained model, the samples that it encoded, and log2 units for one unit of each gene."""
    adata = type(adata)(adata.X, obs=adata.obs, var=adata.var)
    pp.split(adata, train=0.8, calibration=0.0, validation=0.1, seed=seed)
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    scale = SCALES.get(Model.named(encoder).domain, "zscore")
    how = pp.Normalisation(n_genes=known.n_genes, genes=genes, scale=scale)
    normaliser = pp.Normaliser.fit(adata, how, train=train_n)
    one = normaliser.transform(adata)
    k = min(MAX_LATENT, int(train_n.sum()) // PER_FEATURE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # solvers that stop early
        model = tl.fit(one, model=encoder, seed=seed, device="cpu", latent_dim=k)
    log2_g = np.asarray(normaliser.unscaled(adata))[train_n].std(0)
    scaled_g = np.asarray(one.X)[train_n].std(0)
    return one, model, log2_g / np.maximum(scaled_g, 1e-12)


def _read(adata: AnnData, model: Model, axes: Axes, factor_g: Array) -> Reading:
    effects_jg = tl.gene_effects(adata, model, axes=axes).to_numpy()
    log2_jg = effects_jg * factor_g
    least_j1 = np.sort(np.abs(log2_jg), axis=1)[:, [-OF_FEATURE]]
    weight_jg = np.where(np.abs(log2_jg) >= least_j1, effects_jg, 0)
    genes_nj = np.asarray(adata.X, dtype=np.float64) @ weight_jg.T
    return Reading(effects_jg, log2_jg, axes.scores(codes(adata, model)), genes_nj)


def _symbols(genes: Sequence[str]) -> Sequence[str | None]:
    """The same where there are none, as for probe sets."""
    plain = [
        name.rsplit("_", 1)[0] if name.rsplit("_", 1)[-1].isdigit() else name for name in genes
    ]
    try:
        return convert(plain, to="symbol").names
    except DataError:
        return plain


def _stable(
    adata: AnnData, encoder: str, reading: Reading, found_j: Array
) -> list[tuple[str, str, float]]:
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    decoded_ng = np.asarray(adata.layers[keys.reconstruction(encoder)], dtype=np.float64)[train_n]
    decoded_ng -= decoded_ng.mean(0)
    score_nj = reading.score_nj[train_n][:, found_j > 0.5]
    basis_nj = np.linalg.qr(score_nj - score_nj.mean(0))[0]
    held = np.square(basis_nj.T @ decoded_ng).sum() / max(np.square(decoded_ng).sum(), 1e-300)
    return [
        ("features", "", float((reading.effects_jg != 0).any(1).sum())),
        ("stable", "", float((found_j > 0.5).sum())),
        ("held", "", float(held)),
    ]


def _of_labels(
    adata: AnnData, known: Known, reading: Reading, found_j: Array
) -> list[tuple[str, str, float]]:
    from sklearn.metrics import roc_auc_score

    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    size_j = np.linalg.norm(reading.effects_jg, axis=1)
    rows = []
    for name, (column, high) in known.labels.items():
        label_n = adata.obs[column].astype(str).to_numpy()
        known_n = adata.obs[column].notna().to_numpy() & (label_n != "")
        high_n = label_n == high
        learned, other = known_n & train_n, known_n & ~train_n
        over_j = np.array(
            [roc_auc_score(high_n[learned], s_n[learned]) for s_n in reading.score_nj.T]
        )
        j = int(np.abs(over_j - 0.5).argmax())
        for metric, rows_n, score_nj in (
            ("seen", learned, reading.score_nj),
            ("auroc", other, reading.score_nj),
            ("genes", other, reading.genes_nj),
        ):
            auroc = float(roc_auc_score(high_n[rows_n], score_nj[rows_n, j]))
            rows.append((metric, name, auroc if over_j[j] > 0.5 else 1 - auroc))
        rows += [
            ("place", name, 1.0 + (size_j > size_j[j]).sum()),
            ("found", name, float(found_j[j])),
        ]
    return rows


def _of_markers(
    known: Known, reading: Reading, symbol_g: NDArray[np.str_], *, seed: int
) -> list[tuple[str, str, float]]:
    rank_jg = 1.0 + (-np.abs(reading.log2_jg)).argsort(1).argsort(1)
    rng, rows = np.random.default_rng(seed), []
    for name, genes in known.markers.items():
        at = np.flatnonzero(np.isin(symbol_g, genes.split()))
        if not len(at):
            continue
        drawn = [rng.choice(rank_jg.shape[1], len(at), replace=False) for _ in range(DRAWS)]
        chance = [np.median(rank_jg[:, of], axis=1).min() for of in drawn]
        rows += [
            ("rank", name, float(np.median(rank_jg[:, at], axis=1).min())),
            ("chance", name, float(np.median(chance))),
        ]
    return rows


def print_features(rows: pd.DataFrame) -> None:
    """A table per cohort, a line per model and way to read it."""
    for dataset, part in rows.groupby("dataset", sort=False):
        labels = part.loc[part["metric"] == "auroc", "column"].unique()
        markers = part.loc[part["metric"] == "rank", "column"].unique()
        cells = {
            f"{encoder}, {axes}": _cells(of, labels, markers)
            for (encoder, axes), of in part.groupby(["encoder", "axes"], sort=False)
        }
        columns = ["stable features", "hold of what is decoded"]
        columns += [f"{name}: AUROC seen, unseen, by genes; found, place" for name in labels]
        columns += [f"{name}: median rank of genes (chance)" for name in markers]
        print_table(f"{dataset}, mean of {part['seed'].nunique()} seeds", cells, columns)


def _cells(rows: pd.DataFrame, labels: Sequence[str], markers: Sequence[str]) -> list[str]:
    value = rows.groupby(["metric", "column"])["value"]
    mean, of = value.mean(), value.agg(list)
    return [
        f"{mean['stable', '']:.0f} of {mean['features', '']:.0f}",
        f"{mean['held', '']:.2f}",
        *(
            f"{mean['seen', name]:.2f}, {mean_sd(of['auroc', name])}, {mean['genes', name]:.2f}; "
            f"{mean['found', name]:.2f}, {mean['place', name]:.0f}"
            for name in labels
        ),
        *(f"{mean['rank', name]:.0f} ({mean['chance', name]:.0f})" for name in markers),
    ]
