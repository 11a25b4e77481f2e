"""Whether the domain check tells shifts from biology, and what recalibration on controls mends.

Of the normal samples of every task of the suite, seven tenths are the reference. The others are the
query: as they are, and changed as another laboratory might change them; and so are the anomalies,
alone and beside normal samples. Besides, real pairs of batches, laboratories and platforms.
Thresholds were chosen on the half ``select``; ``test`` is what gets reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from suite import cohort, of_suite

from tybalt_like import pp
from tybalt_like.anomaly import q_values
from tybalt_like.anomaly.domain import Domain
from tybalt_like.anomaly.recalibration import as_reference, left_out, offset
from tybalt_like.anomaly.scores import COMBINED
from tybalt_like.benchmark.cases import Case
from tybalt_like.benchmark.rows import Kept, print_table
from tybalt_like.run.progress import Progress
from tybalt_like.tl.cross_fit import Detection
from tybalt_like.tl.detect import N_GENES, detected
from tybalt_like.tl.encoders import few_threads
from tybalt_like.tl.scorer import Scorer

Array = NDArray[np.float64]

REFERENCE = 0.7
MOST_REFERENCE, MOST_QUERY = 600, 300
SIZES = (1, 2, 3, 5, 10, 20)
"""Besides the whole query, so many of its samples, drawn `DRAWS` times."""
DRAWS = 5
CONTROLS = (5, 10, 20)
LEAST_TESTED = 8
LOGGED = pp.Normalisation(units="log2", log="no", library="none", n_genes=N_GENES)
CHECK, FLAGS, RECALIBRATED = "check", "flags", "recalibrated"
NONE, BIOLOGY, MIXED, SHIFT, SCALE, NOISE, SOURCE = (
    *("none", "new kind", "half new kind", "shift", "scale", "noise", "other source"),
)
PLAIN = ("anomalies", "half anomalies", "held out", "0.25 SD", "0.5 SD", "all")
"""Queries that are printed one by one."""
KEY = ("case", "seed")


class Query(NamedTuple):
    """Samples whose truth is known.

    Attributes
    ----------
    truth
        One of the sorts above.
    name
        How they were changed.
    """

    truth: str
    name: str
    x_ng: Array


def domain(
    *, only: Sequence[str] | None, seeds: int, file: Path | None, progress: Progress
) -> pd.DataFrame:
    """Verdicts on all queries; with the default detector, the share of normal samples with small
    p-values and of flags, without the check and where it lets p-values pass; and the same after
    recalibration.

    Parameters
    ----------
    only
        Names of halves, groups, cohorts or tasks, or of `PAIRS`.

    Returns
    -------
    pandas.DataFrame
        One row per ``case, seed, what, truth, query, asked, draw``.
    """
    kept = Kept(file, KEY)
    names = set(only or ())
    of_tasks = sorted(names - set(PAIRS)) if names else None
    seen: set[tuple[str, int]] = set()
    for case, adata in of_suite(of_tasks, progress) if of_tasks != [] else ():
        for seed in range(seeds):
            # Tasks of one group have nearly the same reference: shifts of one of them are enough.
            first = (case.group, seed) not in seen
            seen.add((case.group, seed))
            if kept.has(case.name, seed):
                continue
            with progress.stage(f"{case.name}, seed {seed}"), few_threads():
                kept.add(pd.DataFrame(_rows(case, adata, seed, whole=first)))
    for name, pair in PAIRS.items():
        if names and name not in names:
            continue
        for seed in range(seeds):
            if not kept.has(name, seed):
                with progress.stage(f"{name}, seed {seed}"), few_threads():
                    kept.add(pd.DataFrame(_rows_of_pair(name, *pair(seed), seed)))
    return kept.rows()


def _rows(case: Case, adata: AnnData, seed: int, *, whole: bool) -> Iterator[dict[str, Any]]:
    label_n = adata.obs[case.label].astype(str)
    rng = np.random.default_rng(seed)
    normal = rng.permutation(np.flatnonzero(label_n.isin(case.normal)))
    strange = rng.permutation(np.flatnonzero(label_n.isin(case.anomalies)))[:MOST_QUERY]
    n_reference = min(MOST_REFERENCE, round(REFERENCE * len(normal)))
    reference, held = normal[:n_reference], normal[n_reference:][:MOST_QUERY]
    logged = _logged(adata, reference)
    x_ng, held_ng, strange_ng = logged[reference], logged[held], logged[strange]
    about = {"case": case.name, "group": case.group, "half": case.half, "seed": seed}
    fitted = Domain.fit(x_ng)
    for query in _queries(x_ng, held_ng, strange_ng, rng, whole=whole):
        sizes = SIZES if query.truth != SCALE else (1, 5)
        yield from (about | row for row in _checked(fitted, query, sizes, rng))
    if not whole:
        return
    scorer = _scorer(x_ng, seed)
    sd_g, draw_g = x_ng.std(0), rng.normal(size=x_ng.shape[1])
    for by in (0.0, 0.25, 0.5, 1.0):
        moved = by * sd_g * draw_g
        for row in _flags(fitted, scorer, held_ng + moved):
            yield about | row | {"truth": SHIFT if by else NONE, "query": f"{by:g} SD"}
        for row in _recalibrated(fitted, scorer, held_ng + moved, strange_ng + moved, rng):
            yield about | row | {"truth": SHIFT if by else NONE, "query": f"{by:g} SD"}


def _queries(
    x_ng: Array, held_ng: Array, strange_ng: Array, rng: np.random.Generator, *, whole: bool
) -> Iterator[Query]:
    """What a reference is confronted with: anomalies, and if `whole` everything else."""
    sd_g, draw_g = x_ng.std(0), rng.normal(size=x_ng.shape[1])
    k = min(len(held_ng), len(strange_ng))
    mixed_ng = np.concatenate([held_ng[:k], strange_ng[:k]])
    yield Query(BIOLOGY, "anomalies", strange_ng)
    yield Query(MIXED, "half anomalies", mixed_ng)
    for by in (0.25, 0.5):
        yield Query(SHIFT, f"{by:g} SD, half anomalies", mixed_ng + by * sd_g * draw_g)
    if not whole:
        return
    yield Query(NONE, "held out", held_ng)
    for by in (0.1, 0.25, 0.5, 1.0):
        yield Query(SHIFT, f"{by:g} SD", held_ng + by * sd_g * draw_g)
    sign_g = np.where(draw_g > 0, 1, -1)
    for by in (0.25, 0.5):
        yield Query(SHIFT, f"{by:g} SD, random signs", held_ng + by * sd_g * sign_g)
    yield Query(SHIFT, "0.5 SD of the median gene", held_ng + 0.5 * np.median(sd_g) * draw_g)
    low, high = float(x_ng.min()), float(x_ng.max())
    warped = np.clip((held_ng - low) / (high - low), 0, None) ** 1.2
    yield Query(SCALE, "times 1.1", held_ng * 1.1)
    yield Query(SCALE, "plus 1", held_ng + 1)
    yield Query(SCALE, "natural logarithm", held_ng * np.log(2))
    yield Query(SCALE, "quantiles warped", low + (high - low) * warped)
    yield Query(NOISE, "rounded", np.rint(held_ng))
    yield Query(NOISE, "0.5 SD of noise", held_ng + 0.5 * sd_g * rng.normal(size=held_ng.shape))
    dropped = rng.random(held_ng.shape) < 0.02
    yield Query(NOISE, "2 % of values lost", np.where(dropped, low, held_ng))


def _rows_of_pair(
    name: str, truth: str, reference_ng: Array, query_ng: Array, strange_ng: Array, seed: int
) -> Iterator[dict[str, Any]]:
    """Verdicts, flags and recalibration of a real pair."""
    rng = np.random.default_rng(seed)
    reference_ng = reference_ng[rng.permutation(len(reference_ng))[:MOST_REFERENCE]]
    query_ng = query_ng[rng.permutation(len(query_ng))[:MOST_QUERY]]
    chosen = pp.Normaliser.fit(_adata(reference_ng), LOGGED, train=np.arange(len(reference_ng)))
    genes = [int(gene) for gene in chosen.genes]
    x_ng, query_ng, strange_ng = (part[:, genes] for part in (reference_ng, query_ng, strange_ng))
    about = {"case": name, "group": name, "half": "pairs", "seed": seed}
    fitted, scorer = Domain.fit(x_ng), _scorer(x_ng, seed)
    for row in _checked(fitted, Query(truth, "all", query_ng), SIZES, rng):
        yield about | row
    for row in _flags(fitted, scorer, query_ng):
        yield about | row | {"truth": truth, "query": "all"}
    for row in _recalibrated(fitted, scorer, query_ng, strange_ng, rng):
        yield about | row | {"truth": truth, "query": "all"}


def _checked(
    fitted: Domain, query: Query, sizes: Sequence[int], rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Verdicts on the whole query and on parts of it."""
    n = len(query.x_ng)
    for size in (0, *(size for size in sizes if size < n)):
        for draw in range(DRAWS if size else 1):
            rows = rng.permutation(n)[:size] if size else np.arange(n)
            verdict = asdict(fitted.check(query.x_ng[rows]))
            verdict.pop("sentence")
            yield {
                **{"what": CHECK, "truth": query.truth, "query": query.name},
                **{"asked": size, "draw": draw},
                **verdict,
            }


def _flags(fitted: Domain, scorer: Scorer, x_ng: Array) -> Iterator[dict[str, Any]]:
    """Normal samples with small p-values, and flagged ones."""
    scores = scorer.score(_adata(x_ng))
    p_n = scores.loc[scores["score"] == COMBINED, "p_value"].to_numpy()
    yield {"what": FLAGS, "outcome": fitted.check(x_ng).outcome, **_shares(p_n)}


def _recalibrated(
    fitted: Domain, scorer: Scorer, x_ng: Array, strange_ng: Array, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """The same with some of the normal samples as controls."""
    calibration, reference_m = scorer.detector.calibration, scorer.detector.calibration_scores
    for k in CONTROLS:
        if len(x_ng) < k + LEAST_TESTED:
            continue
        for draw in range(DRAWS):
            rows = rng.permutation(len(x_ng))
            controls, tested = x_ng[rows[:k]], x_ng[rows[k:]]
            moved_g = offset(fitted, controls)
            of_controls = _combined(scorer, left_out(fitted, controls))
            before, after = [
                [_combined(scorer, part - by) for part in (tested, strange_ng)]
                for by in (0.0, moved_g)
            ]
            outcome = fitted.check(tested, controls_kg=controls).outcome
            p_n, p_strange = (
                calibration.p_values(
                    as_reference(moved, controls_k=of_controls, reference_m=reference_m)
                    if outcome == "shifted"
                    else as_is,
                    reference_m,
                ).p_n
                for as_is, moved in zip(before, after, strict=True)
            )
            recentred = calibration.p_values(after[0], reference_m).p_n
            yield {
                **{"what": RECALIBRATED, "k": k, "draw": draw, **_shares(p_n)},
                "outcome": outcome,
                "p_05_recentred": (recentred <= 0.05).mean(),
                "p_10_recentred": (recentred <= 0.1).mean(),
                "power_05": (p_strange <= 0.05).mean() if len(strange_ng) else np.nan,
                "auroc_before": _auroc(*before),
                "auroc": _auroc(*after),
            }


def _shares(p_n: Array) -> dict[str, float]:
    return {
        "p_05": float((p_n <= 0.05).mean()),
        "p_10": float((p_n <= 0.1).mean()),
        "flagged": float((q_values(p_n) <= 0.05).mean()),
    }


def _auroc(normal_n: Array, strange_n: Array) -> float:
    if not len(strange_n):
        return np.nan
    from sklearn.metrics import roc_auc_score

    strange = np.arange(len(normal_n) + len(strange_n)) >= len(normal_n)
    return float(roc_auc_score(strange, np.concatenate([normal_n, strange_n])))


def _combined(scorer: Scorer, x_ng: Array) -> Array:
    if not len(x_ng):
        return np.empty(0)
    scores = scorer.score(_adata(x_ng))
    return scores.loc[scores["score"] == COMBINED, "value"].to_numpy()


def _scorer(x_ng: Array, seed: int) -> Scorer:
    """The default detector."""
    return detected(_adata(x_ng), Detection(), normalisation=LOGGED, seed=seed).scorer


def _adata(x_ng: Array) -> AnnData:
    var = pd.DataFrame(index=[str(gene) for gene in range(x_ng.shape[1])])
    obs = pd.DataFrame(index=[f"sample_{row}" for row in range(len(x_ng))])
    return AnnData(x_ng.astype(np.float32), obs=obs, var=var)


def _logged(adata: AnnData, reference: NDArray[np.intp]) -> Array:
    """All samples on the log scale, the genes that vary most in the reference."""
    how = pp.Normalisation(n_genes=N_GENES, scale="none")
    logged = pp.Normaliser.fit(adata, how, train=reference).transform(adata)
    return np.asarray(logged.X, dtype=np.float64)


# Real pairs: reference, normal samples of another source, and anomalies of that source.
Pair = Callable[[int], tuple[str, Array, Array, Array]]


def _of_batches(
    name: str, column: str, query: str, *, normal: tuple[str, str], strange: str | None = None
) -> Pair:
    """Normal samples of one batch against those of all others; anomalies of that batch."""

    def pair(_: int) -> tuple[str, Array, Array, Array]:
        adata = cohort(name)
        x_ng = np.asarray(adata.X, dtype=np.float64)
        label_n = adata.obs[normal[0]].astype(str).to_numpy()
        here_n = adata.obs[column].astype(str).to_numpy() == query
        normal_n = label_n == normal[1]
        strange_n = label_n == strange if strange else ~normal_n
        return SOURCE, x_ng[normal_n & ~here_n], x_ng[normal_n & here_n], x_ng[strange_n & here_n]

    return pair


def _of_sites(site: str) -> Pair:
    """Luminal tumours of one hospital against those of all others."""

    def pair(_: int) -> tuple[str, Array, Array, Array]:
        adata = cohort("tcga_brca")
        x_ng = np.asarray(adata.X, dtype=np.float64)
        here_n = adata.obs_names.str.slice(5, 7).to_numpy() == site
        luminal_n = adata.obs["pam50"].isin(["Luminal A", "Luminal B"]).to_numpy()
        basal_n = (adata.obs["pam50"] == "Basal-like").to_numpy()
        return SOURCE, x_ng[luminal_n & ~here_n], x_ng[luminal_n & here_n], x_ng[basal_n & here_n]

    return pair


def _of_counts(sort: str, amount: float) -> Pair:
    """Lymphoblastoid lines at another depth, or counted with other efficiency of each gene."""

    def pair(seed: int) -> tuple[str, Array, Array, Array]:
        rng = np.random.default_rng(seed)
        adata = cohort("geuvadis_counts")
        counts_ng = np.asarray(adata.X, dtype=np.float64)
        rows = rng.permutation(len(counts_ng))
        reference, query = counts_ng[rows[:55]], counts_ng[rows[55:]]
        if sort == "depth":
            query = rng.binomial(query.astype(int), amount).astype(float)
        else:
            gene_g = np.exp(amount * rng.normal(size=query.shape[1]))
            query = rng.poisson(query * gene_g).astype(float)
        logged = [np.log2(x / x.sum(1, keepdims=True) * 1e6 + 1) for x in (reference, query)]
        return SOURCE, *logged, np.empty((0, query.shape[1]))

    return pair


def _across(name: str, labels: tuple[str, ...], other: str) -> Pair:
    """Another tissue from another laboratory, by the genes of the same name."""

    def pair(_: int) -> tuple[str, Array, Array, Array]:
        here, there = cohort(name), cohort(other)
        here_names = here.var.get("symbol", pd.Series(here.var_names, here.var_names)).astype(str)
        there_names = there.var_names.astype(str)
        common = [n for n in here_names[~here_names.duplicated(keep=False)] if n in there_names]
        columns = [list(here_names).index(n) for n in common]
        x_ng = np.asarray(here.X, dtype=np.float64)[:, columns]
        y_ng = np.asarray(there[:, common].X, dtype=np.float64)
        if y_ng.max() > 30:  # raw intensities
            y_ng = np.log2(np.maximum(y_ng, 20))
        normal_n = here.obs[labels[0]].astype(str).isin(labels[1:]).to_numpy()
        return SOURCE, x_ng[normal_n], y_ng, np.empty((0, len(common)))

    return pair


PAIRS: Mapping[str, Pair] = {
    **{
        f"bladder_batch, batch {batch}": _of_batches(
            "bladder_batch", "batch", batch, normal=("cancer", "Cancer")
        )
        for batch in "125"
    },
    **{
        f"tggates_hepatocyte, lot {lot}": _of_batches(
            "tggates_hepatocyte",
            "batchid",
            f"CELL00{lot}",
            normal=("dose_level", "Control"),
            strange="High",
        )
        for lot in ("20", "30", "40", "50", "60", "80")
    },
    **{
        f"kang_ifnb, donor {donor}": _of_batches(
            "kang_ifnb", "sample_id", f"ctrl{donor}", normal=("group_id", "ctrl")
        )
        for donor in ("101", "107")
    },
    **{f"tcga_brca, hospital {site}": _of_sites(site) for site in ("BH", "D8", "E9", "AR", "A2")},
    "geuvadis_counts, tenth of the depth": _of_counts("depth", 0.1),
    "geuvadis_counts, fiftieth of the depth": _of_counts("depth", 0.02),
    "geuvadis_counts, efficiency 10 %": _of_counts("genes", 0.1),
    "geuvadis_counts, efficiency 20 %": _of_counts("genes", 0.2),
    "geuvadis_counts, efficiency 50 %": _of_counts("genes", 0.5),
    "B leukaemia -> lung": _across("all_leukaemia", ("lineage", "B"), "lung_gordon"),
    "luminal breast -> endometrium": _across(
        "tcga_brca", ("pam50", "Luminal A", "Luminal B"), "cptac_ucec"
    ),
}


def print_domain(rows: pd.DataFrame) -> None:
    """Verdicts by half of the suite, then shares of normal samples, before and after."""
    checks, halves = rows[rows["what"] == CHECK], ("select", "test", "control")
    for half in halves:
        mine = checks[checks["half"] == half]
        if len(mine):
            _print_verdicts(mine[mine["asked"] == 0], f"Whole queries, {half}")
            _print_alarms(mine, half)
    pairs = rows[rows["half"] == "pairs"]
    if len(pairs):
        whole = pairs[(pairs["what"] == CHECK) & (pairs["asked"] == 0)]
        _print_verdicts(whole, "Other sources, real pairs")
    for what, title in ((FLAGS, "Normal samples of the query"), (RECALIBRATED, "With controls")):
        mine = rows[rows["what"] == what]
        for half, part in mine.groupby("half", sort=False):
            by = ["query", "k"] if what == RECALIBRATED else ["query"]
            by = ["case", *by] if half == "pairs" else by
            _print_shares(part, by, f"{title}, {half}", what)


def _figures(part: pd.DataFrame) -> list[str]:
    names = ("n_samples", "lowest", "limit", "size", "unexplained", "few_genes", "level")
    return [f"{part[name].mean():.2f}".removesuffix(".00") for name in names]


def _print_verdicts(mine: pd.DataFrame, title: str) -> None:
    """Every pair with its figures and outcomes, the plainest queries only."""
    shown = {}
    mine = mine[mine["query"].isin(PLAIN)]
    for (truth, query, case), part in mine.groupby(["truth", "query", "case"], sort=False):
        counts = part["outcome"].value_counts()
        said = ", ".join(f"{o} {n}" if len(part) > 1 else str(o) for o, n in counts.items())
        shown[f"{truth}: {case}" + f", {query}" * (truth == SHIFT)] = [*_figures(part), said]
    heads = ("n", "lowest", "limit", "size", "unexpl.", "few genes", "level")
    print_table(title, shown, [*heads, "outcome"])


def _print_alarms(mine: pd.DataFrame, half: str) -> None:
    """Share of queries whose p-values are not simply passed, by their number of samples: mean of
    groups."""
    alarm = mine.assign(alarm=mine["outcome"] != "fine")
    of_group = alarm.groupby(["truth", "query", "asked", "group"], sort=False)["alarm"].mean()
    share = of_group.reset_index().pivot_table(
        index=["truth", "query"], columns="asked", values="alarm", sort=False
    )
    sizes = sorted(share.columns, key=lambda n: n or np.inf)
    shown = {
        f"{truth}: {query}": ["" if np.isnan(row[n]) else f"{row[n]:.2f}" for n in sizes]
        for (truth, query), row in share.iterrows()
    }
    refused = mine[(mine["outcome"] == "refused") & (mine["truth"] != SCALE)]
    print_table(
        f"Alarms by number of samples, {half} (refused, scales apart: {len(refused)})",
        shown,
        [f"{n:.0f}" if n else "all" for n in sizes],
    )


def _print_shares(mine: pd.DataFrame, by: list[str], title: str, what: str) -> None:
    """Mean over groups of what happens to normal samples."""
    figures = ["p_05", "p_10"]
    if what == RECALIBRATED:
        figures += ["p_05_recentred", "p_10_recentred", "power_05", "auroc_before", "auroc"]
        mine = mine.assign(said=(mine["outcome"] == "shifted").astype(float))
        figures.append("said")
    else:
        passed = mine["outcome"] == "fine"
        mine = mine.assign(passed=passed.astype(float), silent=mine["flagged"] * passed)
        figures += ["flagged", "passed", "silent"]
    of_group = mine.groupby([*by, "group"], sort=False)[figures].mean()
    mean = of_group.groupby(by, sort=False).mean()
    shown = {}
    for name, row in mean.iterrows():
        names = name if isinstance(name, tuple) else (name,)
        label = ", ".join(f"k = {n:.0f}" if isinstance(n, float) else str(n) for n in names)
        shown[label] = ["" if np.isnan(row[f]) else f"{row[f]:.2f}" for f in figures]
    print_table(title, shown, [f.replace("_", " ") for f in figures])
