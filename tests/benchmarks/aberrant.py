"""Outliers injected into counts: who finds them, and are small p-values as rare as they say?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from drawn_counts import drawn_like
from nb_counts import NBReference
from numpy.typing import NDArray
from rivals import (
    DETECTORS,
    NB,
    OURS,
    OUTSINGLE,
    PCA,
    SLOW,
    Found,
    as_anndata,
    auprc,
    fitted,
    pca_known_answer,
)

from tybalt_like.aberrant.counts import checked_counts, expressed
from tybalt_like.aberrant.injection import Injected, inject
from tybalt_like.aberrant.samples import Samples
from tybalt_like.aberrant.statistics import Floats, adjusted, inflation, tail_inflation
from tybalt_like.benchmark.rows import Kept, mean_sd, print_table
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets
from tybalt_like.pp.transforms.median_of_ratios import MedianOfRatios
from tybalt_like.run.progress import Progress

FIRST_SEED = 100
"""Constants of the method were chosen with smaller ones."""
FREQUENCIES, SIZES = (1e-2, 1e-3), (3.0, 4.0, 6.0)
MASKED = "masked by a batch"
MAX_GENES = 2000
"""Of more expressed genes, each seed draws so many, but for the cohorts with all genes."""
BATCH_SD = 1.0
"""Standard deviation of a hidden batch's log2 fold changes."""
ALPHA, LEVELS = 0.05, (1e-3, 1e-5)
COHORT_SIZES, CHANGES = (20, 50, 100), {"lost": 0.0, "a quarter": 0.25, "half": 0.5, "double": 2.0}
PLANTED = 2e-3
COLUMNS = ["dataset", "setting", "detector", "seed", "metric", "value"]
Row = tuple[str, str, str, float]
"""Setting, detector, metric and value."""


class Setting(NamedTuple):
    """What is injected: share of the counts, standard deviations, and whether a batch hides it."""

    frequency: float
    z: float
    masked: bool = False

    def __str__(self) -> str:
        return f"{self.frequency:g}, z {self.z:g}{', ' + MASKED if self.masked else ''}"


SETTINGS = [
    *(Setting(f, z) for f, z in product(FREQUENCIES, SIZES)),
    *(Setting(f, 4.0, masked=True) for f in FREQUENCIES),
]
RARE = [setting for setting in SETTINGS if setting.frequency == 1e-3 and setting.z < 6]


class Cohort(NamedTuple):
    """Samples for a seed, what is injected into them, whether slow detectors are tried (with the
    first seed), and whether the samples are drawn themselves."""

    samples: Callable[[int], Samples]
    settings: Sequence[Setting] = SETTINGS
    small: bool = False
    drawn: bool = False


def _real(name: str, seed: int, *, most: int | None = MAX_GENES, known: str = "") -> Samples:
    adata = datasets.load(name)
    x_nv = checked_counts(adata)
    expressed_g = np.flatnonzero(expressed(x_nv, min_count=10))
    x_ng = x_nv[:, np.sort(np.random.default_rng(seed).permutation(expressed_g)[:most])]
    column = adata.obs[known].astype("category").cat.codes if known else None
    c_nc = np.zeros((len(x_ng), 0)) if column is None else column.to_numpy(float)[:, None]
    return with_sizes(x_ng, c_nc - c_nc.mean(axis=0))


COHORTS = {
    "kremer_counts": Cohort(lambda seed: _real("kremer_counts", seed), small=True),
    "geuvadis_counts": Cohort(lambda seed: _real("geuvadis_counts", seed)),
    "geuvadis_counts, all genes, sex known": Cohort(
        lambda seed: _real("geuvadis_counts", seed, most=None, known="sex"), RARE
    ),
    "drawn with airway_counts' depths, all genes, sex and batch known": Cohort(
        lambda seed: drawn_like(
            datasets.load("airway_counts"), ["cell", "dex"], np.random.default_rng(seed)
        ),
        RARE,
        drawn=True,
    ),
}


def aberrant(
    *,
    seeds: int = 5,
    only: Sequence[str] | None = None,
    file: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Who finds injected outliers, all pairs of gene and sample ranked together, and calibration.

    Each detector takes the number of factors that it chooses itself; standardised PCA takes the
    best one knowing the answer. Counts that are aberrant already pass for false alarms.

    Returns
    -------
    pandas.DataFrame
        One row per data set, setting, detector, seed and metric, columns `COLUMNS`. Metrics where
        outliers were injected: ``auprc``; ``auprc down`` and ``auprc up`` of those lowered and
        raised; ``found`` (share of them with an adjusted p of at most .05) and ``seconds``.
        Where none were: ``x 0.001`` and ``x 1e-05`` (share of p-values up to that over it),
        ``lambda``, and ``any call`` (share of samples with an adjusted p of at most .05). By
        size of the cohort: ``found``.

    Raises
    ------
    DataError
        If none of the data sets is on this machine.
    """
    progress = progress or Progress(quiet=True)
    kept = Kept(file, ["dataset", "seed"])
    for (name, cohort), seed in product(COHORTS.items(), range(FIRST_SEED, FIRST_SEED + seeds)):
        if (only and name not in only) or kept.has(name, seed):
            continue
        try:
            samples = cohort.samples(seed)
        except DataError as error:
            progress.say(f"{name} is left out: {error}")
            continue
        with progress.stage(f"{name}, seed {seed}"):
            rows = [
                (name, setting, detector, seed, metric, value)
                for setting, detector, metric, value in _measure(
                    samples, cohort, seed, progress.say
                )
            ]
        kept.add(pd.DataFrame(rows, columns=COLUMNS))
    return kept.rows()


def _measure(
    samples: Samples, cohort: Cohort, seed: int, say: Callable[[str], None]
) -> Iterator[Row]:
    rng = np.random.default_rng(seed)
    for setting in cohort.settings:
        before_ng, (x_ng, truth_ng) = _injected(samples, setting, rng)
        given, down_ng = with_sizes(x_ng, samples.c_nc), x_ng < before_ng
        results: dict[str, Found] = {}
        for name, detect in {
            **DETECTORS,
            **(SLOW if cohort.small and seed == FIRST_SEED else {}),
        }.items():
            start = time.perf_counter()
            results[name] = detect(given, seed)
            yield str(setting), name, "seconds", time.perf_counter() - start
        results[PCA] = pca_known_answer(given, truth_ng)
        for name, found in results.items():
            yield from _power(str(setting), name, found, truth_ng, down_ng)
        scores = (
            f"{name} {auprc(truth_ng, found.score_ng):.3f}" for name, found in results.items()
        )
        say(f"{setting}: {', '.join(scores)}")
    yield from _calibration(samples, rng, seed, drawn=cohort.drawn)
    if cohort.settings is SETTINGS:
        yield from _by_size(samples, rng, seed)


def with_sizes(x_ng: Floats, c_nc: Floats) -> Samples:
    """Counts with their size factors."""
    return Samples(x_ng, MedianOfRatios.fit([x_ng]).size_factors(x_ng), c_nc)


def _injected(
    samples: Samples, setting: Setting, rng: np.random.Generator
) -> tuple[Floats, Injected]:
    """Counts without and with outliers, of the sizes that genes vary by before the batch, if there
    is one, is added."""
    x_ng, size_n = samples.x_ng, samples.size_n
    sd_g = np.log2(x_ng / size_n[:, None] + 1).std(axis=0, ddof=1)
    if setting.masked:
        n, g = x_ng.shape
        effect_ng = np.outer(rng.random(n) < 0.5, rng.normal(0, BATCH_SD, g))
        x_ng = np.round(x_ng * np.exp2(effect_ng))
        size_n = MedianOfRatios.fit([x_ng]).size_factors(x_ng)
    how = {"frequency": setting.frequency, "z": setting.z, "sd_g": sd_g}
    return x_ng, inject(x_ng, size_n, rng=rng, **how)


def _power(
    setting: str,
    name: str,
    found: Found,
    truth_ng: NDArray[np.bool_],
    down_ng: NDArray[np.bool_],
) -> Iterator[Row]:
    last = found.score_ng.min() - 1
    yield setting, name, "auprc", auprc(truth_ng, found.score_ng)
    for side, on_side_ng, said_ng in (
        ("down", down_ng, found.down_ng),
        ("up", ~down_ng, ~found.down_ng),
    ):
        # A detector that sees the change on the other side has not found it.
        score_ng = np.where(said_ng, found.score_ng, last)
        yield setting, name, f"auprc {side}", auprc(truth_ng & on_side_ng, score_ng)
    yield setting, name, "found", float((adjusted(found.p_ng)[truth_ng] <= ALPHA).mean())


def _calibration(
    samples: Samples, rng: np.random.Generator, seed: int, *, drawn: bool
) -> Iterator[Row]:
    """Where nothing was injected: real counts, without hits that all detectors share, and counts
    drawn from the negative-binomial baseline; in the cohort, and for a quarter left out."""
    n = len(samples.x_ng)
    held_n = rng.permutation(n) < n // 4
    if not drawn:
        yield from _all_rates("real", samples, held_n, seed)
        reference = NBReference.fit(samples, seed=seed)
        theta_g = reference.own_g
        p_ng = theta_g / (theta_g + reference.mean_ng)
        drawn_ng = rng.negative_binomial(theta_g, p_ng).astype(float)
        drawn_ng = drawn_ng[:, expressed(drawn_ng, min_count=1)]
        samples = with_sizes(drawn_ng, samples.c_nc)
    yield from _all_rates("drawn", samples, held_n, seed)


def _all_rates(kind: str, given: Samples, held_n: NDArray[np.bool_], seed: int) -> Iterator[Row]:
    p = {name: detect(given, seed).p_ng for name, detect in DETECTORS.items()}
    called = {name: adjusted(p_ng) <= ALPHA for name, p_ng in p.items()}
    yield from _rates(f"{kind}, cohort", p, called, shared=kind == "real")
    new = dict(_new(given, held_n, seed))
    of_new = {name: adjusted(p_ng) <= ALPHA for name, p_ng in new.items()}
    of_new[OUTSINGLE] = called[OUTSINGLE][held_n]
    yield from _rates(f"{kind}, new samples", new, of_new, shared=kind == "real")


def _new(given: Samples, held_n: NDArray[np.bool_], seed: int) -> Iterator[tuple[str, Floats]]:
    """p-values of the samples that were left out, by the detectors that can be asked of them."""
    sizes = MedianOfRatios.fit([given.x_ng[~held_n]])
    size_n = sizes.size_factors(given.x_ng)
    known, new = (
        Samples(given.x_ng[rows], size_n[rows], given.c_nc[rows]) for rows in (~held_n, held_n)
    )
    yield OURS, fitted(known, seed)[0].test(as_anndata(new)).p_ng
    yield NB, NBReference.fit(known, seed=seed).test(new)[0]


def _rates(
    setting: str, p: dict[str, Floats], called: dict[str, NDArray[np.bool_]], *, shared: bool
) -> Iterator[Row]:
    """As they are, and without the calls that all detectors share, which are no false alarms."""
    common_ng = np.logical_and.reduce(list(called.values()))
    for which, left_out_ng in (("", np.zeros_like(common_ng)), (", not shared", common_ng)):
        if which and not shared:
            continue
        for name, p_ng in p.items():
            rest_ng = np.where(left_out_ng, np.nan, p_ng)
            for level in LEVELS:
                yield setting + which, name, f"x {level:g}", tail_inflation(rest_ng, level)
            yield setting + which, name, "lambda", inflation(rest_ng)
            calls_ng = called[name] & ~left_out_ng
            yield setting + which, name, "any call", float(calls_ng.any(axis=1).mean())


def _by_size(samples: Samples, rng: np.random.Generator, seed: int) -> Iterator[Row]:
    """Share of planted changes that cohorts of several sizes find."""
    for n in COHORT_SIZES:
        if n > len(samples.x_ng):
            continue
        x_ng = samples.x_ng[rng.permutation(len(samples.x_ng))[:n]]
        x_ng = x_ng[:, expressed(x_ng, min_count=10)]
        for change, fold in CHANGES.items():
            planted_ng = rng.random(x_ng.shape) < PLANTED
            given = with_sizes(np.where(planted_ng, np.round(fold * x_ng), x_ng), np.zeros((n, 0)))
            for name, detect in DETECTORS.items():
                hit_ng = adjusted(detect(given, seed).p_ng) <= ALPHA
                share = float(hit_ng[planted_ng].mean())
                yield f"{n} samples, {change}", name, "found", share


def print_aberrant(rows: pd.DataFrame) -> None:
    """AUPRC of every detector, over settings and by sign; calibration; cohorts of several sizes."""
    for dataset, part in rows.groupby("dataset", sort=False):
        title = f"{dataset}; {part['seed'].nunique()} seeds"
        auprcs = part[part["metric"] == "auprc"]
        print_table(f"{title}: AUPRC of injected outliers", *_cells(auprcs, "setting"))
        means = part[part["metric"].isin(["auprc", "auprc down", "auprc up", "found", "seconds"])]
        means = means[means["setting"].isin(auprcs["setting"].unique())]
        grouped = means.groupby(["metric", "detector", "seed"], sort=False)["value"].mean()
        by_seed = grouped.reset_index()
        print_table(f"{title}: means over settings", *_cells(by_seed, "metric"))
        print_table(f"{title}: ours minus, ± SE over seeds", *_differences(by_seed))
        rates = part[part["metric"].isin([*(f"x {x:g}" for x in LEVELS), "lambda", "any call"])]
        rates = rates.assign(row=rates["setting"] + ": " + rates["metric"])
        print_table(f"{title}: nothing injected", *_cells(rates, "row"))
        sized = part[part["setting"].str.contains("samples, ") & (part["metric"] == "found")]
        if len(sized):
            print_table(f"{title}: share of planted changes called", *_cells(sized, "setting"))


def _cells(rows: pd.DataFrame, index: str) -> tuple[dict[str, list[str]], list[str]]:
    """``mean ± SD`` by row and detector."""
    detectors = list(rows["detector"].unique())
    cells = {
        str(name): [mean_sd(part["value"][part["detector"] == detector]) for detector in detectors]
        for name, part in rows.groupby(index, sort=False)
    }
    return cells, detectors


def _differences(by_seed: pd.DataFrame) -> tuple[dict[str, list[str]], list[str]]:
    """Ours minus each other, seeds paired."""
    auprcs = by_seed[by_seed["metric"].str.startswith("auprc")]
    cells: dict[str, list[str]] = {}
    for metric, part in auprcs.groupby("metric", sort=False):
        wide = part.pivot_table(index="seed", columns="detector", values="value", sort=False)
        more = -wide.drop(columns=OURS).sub(wide[OURS], axis=0)
        errors = more.std(ddof=1) / np.sqrt(more.count())
        cells[str(metric)] = [
            f"{mean:+.3f} ± {error:.3f}" for mean, error in zip(more.mean(), errors, strict=True)
        ]
    return cells, list(more.columns)
