"""Whether genes that are called in a sample are strange, and whether those that are get called.

Four fifths of a cohort are the reference. In the others nothing is to be found: how small their
p-values get, and how many of them get a gene, is what error rates promise. Then 5 or 50 of their
genes are moved by 6 or 8 standard deviations, up or down, or all genes of a pathway together by 1
or 2. Tumours of other subtypes say whether genes that are known for them come first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, t
from suite import cohort

from tybalt_like import anomaly, pp
from tybalt_like.benchmark.rows import Kept, print_table
from tybalt_like.core import keys
from tybalt_like.genes.gene_sets import GeneSets
from tybalt_like.io import read, read_gmt
from tybalt_like.io.datasets import ENVIRONMENT
from tybalt_like.run.progress import Progress
from tybalt_like.tl.cross_fit import Detected, Detection
from tybalt_like.tl.detect import detected
from tybalt_like.tl.encoders import few_threads

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]

LEVELS = {"p_01": 1e-2, "p_001": 1e-3, "p_0001": 1e-4}
ALPHA = 0.05
SPIKES = tuple((size, n) for size in (6, 8) for n in (5, 50))
"""Standard deviations of the gene, and genes of a sample."""
SHIFTS = 1, 2
"""Standard deviations that all genes of a set are moved by, in one direction."""
N_GENES, MARKER_GENES = 2000, 5000
FIRST_SEED = 100
"""Lower ones were looked at while the methods were made."""
SETS = "genesets/enrichr_Reactome_2022.gmt.gz"
NEW, OLD = "empirical null", "moderated t, BY"
"""What the package does, and what it did: Student's t with as many degrees of freedom as reference
samples, Benjamini-Yekutieli; of gene sets, the mean z."""
KEY = ("dataset", "seed")
AMPLICON = (
    *("ERBB2", "GRB7", "STARD3", "PGAP3", "C17orf37", "PNMT", "ORMDL3", "PSMD3", "CDK12"),
    *("PPP1R1B", "CISD3", "LASP1", "STAC2"),
)
"""17q12, upwards in HER2-enriched tumours."""
BASAL = {"ESR1": "down", "AGR2": "down", "FOXA1": "down", "GATA3": "down"} | dict.fromkeys(
    ("KRT5", "KRT14", "KRT17", "FOXC1"), "up"
)


MARKERS = {
    "tcga_brca": (
        "pam50",
        {"HER2-enriched": dict.fromkeys(AMPLICON, "up"), "Basal-like": BASAL},
    ),
    "all_leukaemia": (  # probe sets of CD3D, CD3E and CD19
        "lineage",
        {"T": {"38319_at": "up", "36277_at": "up", "1096_g_at": "down", "1116_at": "down"}},
    ),
}
"""By cohort: a column, and what is known of the genes of its other labels."""


class Cohort(NamedTuple):
    """Samples of which none is known to be strange.

    Attributes
    ----------
    normal
        A column and the labels that count; all samples without.
    symbols
        Whether its genes are called as gene sets call them.
    divisions
        For each seed; of few samples, a p-value of 0.0001 is seen in more of them only.
    """

    dataset: str
    normal: tuple[str, tuple[str, ...]] | None = None
    symbols: bool = False
    divisions: int = 1


LUMINAL = ("pam50", ("Luminal A", "Luminal B"))
COHORTS = (
    Cohort("tcga_brca", LUMINAL, symbols=True),
    Cohort("tissue_dslabs", symbols=True, divisions=4),
    Cohort("ecoli_precise"),
    Cohort("dlbcl_chop"),
    Cohort("all_leukaemia", ("lineage", ("B",)), divisions=2),
)


def genes(
    *, only: Sequence[str] | None, seeds: int, file: Path | None, progress: Progress
) -> pd.DataFrame:
    """Error rates and power of calls of genes and gene sets, and ranks of known markers.

    Returns
    -------
    pandas.DataFrame
        A row for each cohort, seed, ``what`` (genes, gene sets or a marker) and ``detector``.
        ``p_*``: share of ordinary samples' p-values that are as small. ``any``: share of ordinary
        samples with anything called. ``power_6_5``, ``false_6_5``: found of 5 genes moved by 6
        standard deviations, and false among those called. ``set_1``: found of sets whose genes are
        all moved by 1 standard deviation. ``first_10``, ``first_50``: share of
        samples with a marker among so many genes.
    """
    kept = Kept(file, KEY)
    for of in COHORTS:
        if only and of.dataset not in only:
            continue
        adata = _samples(of.dataset)
        for seed in range(FIRST_SEED, FIRST_SEED + seeds * of.divisions):
            if kept.has(of.dataset, seed):
                continue
            progress.say(f"{of.dataset}, seed {seed}")
            with few_threads(adata.n_obs * adata.n_vars):
                rows = list(_measured(of, adata, seed=seed))
            kept.add(pd.DataFrame(rows).assign(dataset=of.dataset, seed=seed))
    return kept.rows()


def _samples(dataset: str) -> AnnData:
    """A cohort on its usual scale, genes under their symbols."""
    if dataset == "dlbcl_chop":
        return read(_folder() / dataset / f"{dataset}.h5ad")
    adata = cohort(dataset)
    if "symbol" in adata.var:
        adata = adata[:, ~adata.var["symbol"].astype(str).duplicated()].copy()
        adata.var_names = adata.var["symbol"].astype(str).to_numpy()
    return adata


def _folder() -> Path:
    return Path(os.environ.get(ENVIRONMENT, ""))


def _measured(of: Cohort, adata: AnnData, *, seed: int) -> Iterator[dict[str, Any]]:
    normal_n = np.ones(adata.n_obs, dtype=bool)
    if of.normal:
        normal_n = adata.obs[of.normal[0]].isin(of.normal[1]).to_numpy()
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.flatnonzero(normal_n))
    n_test = len(rows) // 5
    test, reference = adata[rows[:n_test]], adata[rows[n_test:]]
    top = _chosen(reference)
    spiked = [_spiked(test, reference, size, n, top, rng) for size, n in SPIKES]
    sets = read_gmt(_folder() / SETS) if of.symbols else {}
    shifted = [_shifted(test, reference, size, sets, top, rng) for size in SHIFTS if sets]
    asked = [test, *(samples for samples, _ in (*spiked, *shifted))]
    found = _detected(reference, asked, N_GENES)
    queries = np.split(_residuals(found, keys.QUERY), len(asked))
    names = list(found.expected.var_names)
    moved = [pd.DataFrame(mask, columns=test.var_names)[names].to_numpy() for _, mask in spiked]
    yield from _of_genes(found, queries[: 1 + len(SPIKES)], moved)
    if sets:
        yield from _of_sets(
            found, [queries[0], *queries[-2:]], sets, [which for _, which in shifted]
        )
    if of.dataset in MARKERS:
        yield from _of_markers(adata, test, reference, *MARKERS[of.dataset])


def _chosen(reference: AnnData) -> NDArray[np.intp]:
    """The genes that vary most."""
    return np.argsort(-np.abs(reference.X - reference.X.mean(0)).mean(0))[:N_GENES]


def _spiked(
    test: AnnData,
    reference: AnnData,
    size: float,
    n: int,
    chosen: NDArray[np.intp],
    rng: np.random.Generator,
) -> tuple[AnnData, NDArray[np.bool_]]:
    """Samples with genes that were moved, and which these are, (n, g)."""
    mask_ng = np.zeros(test.shape, dtype=bool)
    for mask_g in mask_ng:
        mask_g[rng.choice(chosen, n, replace=False)] = True
    return _moved(test, reference, size * rng.choice([-1, 1], test.shape) * mask_ng), mask_ng


def _shifted(
    test: AnnData,
    reference: AnnData,
    size: float,
    sets: Mapping[str, Sequence[str]],
    chosen: NDArray[np.intp],
    rng: np.random.Generator,
) -> tuple[AnnData, list[str]]:
    """Samples with all genes of a set moved in one direction, and the sets."""
    within = GeneSets.within(list(test.var_names[chosen]), sets)
    which_n = rng.integers(len(within.names), size=test.n_obs)
    by_ng = np.zeros(test.shape)
    by_ng[:, chosen] = size * rng.choice([-1, 1], (test.n_obs, 1)) * within.member_sg[which_n]
    return _moved(test, reference, by_ng), [within.names[which] for which in which_n]


def _moved(test: AnnData, reference: AnnData, by_ng: Array) -> AnnData:
    """By so many standard deviations of each gene."""
    moved = test.copy()
    moved.X = np.asarray(test.X + np.asarray(reference.X).std(0) * by_ng, dtype=np.float32)
    return moved


def _detected(reference: AnnData, queries: Sequence[AnnData], n_genes: int) -> Detected:
    from anndata import concat

    parts = {"reference": reference} | {f"query {i}": part for i, part in enumerate(queries)}
    adata = concat(parts, index_unique=" ", label="part")
    adata.obs[keys.SPLIT] = np.where(adata.obs["part"] == "reference", keys.TRAIN, keys.QUERY)
    return detected(
        adata, Detection(), normalisation=pp.Normalisation(units="log2", n_genes=n_genes)
    )


def _residuals(found: Detected, split: str) -> Array:
    expected = found.expected[(found.expected.obs[keys.SPLIT] == split).to_numpy()]
    layer = keys.reconstruction(found.scorer.name)
    return np.asarray(expected.X - expected.layers[layer], dtype=np.float64)


def _of_genes(
    found: Detected, queries: Sequence[Array], moved: Sequence[NDArray[np.bool_]]
) -> Iterator[dict[str, Any]]:
    null = found.scorer.detector.usual.residuals
    before = _Before.fit(_residuals(found, keys.CALIBRATION))

    def as_before(residual_ng: Array) -> tuple[Array, Array]:
        return before.tested(before.z(residual_ng))

    def now(residual_ng: Array) -> tuple[Array, Array]:
        p_ng = null.p_values(null.z(residual_ng))
        return p_ng, null.adjusted(p_ng)

    for name, tested in ((NEW, now), (OLD, as_before)):
        p_ng, adjusted_ng = tested(queries[0])
        row: dict[str, Any] = {"what": "genes", "detector": name, **_rates(p_ng, adjusted_ng)}
        for (size, n_moved), residual_ng, mask_ng in zip(SPIKES, queries[1:], moved, strict=True):
            called_ng = tested(residual_ng)[1] <= ALPHA
            hits, calls = (called_ng & mask_ng).sum(1), called_ng.sum(1)
            row[f"power_{size}_{n_moved}"] = hits.sum() / (len(mask_ng) * n_moved)
            row[f"false_{size}_{n_moved}"] = float(((calls - hits) / np.maximum(calls, 1)).mean())
        yield row


def _rates(p_ng: Array, adjusted_ng: Array) -> dict[str, float]:
    rates = {name: float((p_ng <= level).mean()) for name, level in LEVELS.items()}
    return rates | {"any": float((adjusted_ng <= ALPHA).any(1).mean())}


def _of_sets(
    found: Detected,
    queries: Sequence[Array],
    sets: Mapping[str, Sequence[str]],
    shifted: Sequence[Sequence[str]],
) -> Iterator[dict[str, Any]]:
    """Of ordinary samples, and of those with a set that was moved."""
    known_cg = _residuals(found, keys.CALIBRATION)
    chosen_cg = found.expected.layers[keys.CHOSEN][found.expected.obs[keys.SPLIT] != keys.QUERY]
    within = GeneSets.within(list(found.expected.var_names), sets)
    null = anomaly.SetNull.fit(known_cg, within.member_sg, chosen_cg=chosen_cg)
    genes_before = _Before.fit(known_cg)
    before = _Before.fit(genes_before.z(known_cg) @ null.weight_gs)

    def as_before(residual_ng: Array) -> tuple[Array, Array]:
        return before.tested(before.z(genes_before.z(residual_ng) @ null.weight_gs))

    def now(residual_ng: Array) -> tuple[Array, Array]:
        p_ns = null.sets.p_values(null.sets.z(null.mean(residual_ng)))
        return p_ns, null.sets.adjusted(p_ns)

    place = {name: number for number, name in enumerate(within.names)}
    for name, tested in ((NEW, now), (OLD, as_before)):
        row: dict[str, Any] = {"what": "gene sets", "detector": name, **_rates(*tested(queries[0]))}
        for size, residual_ng, which in zip(SHIFTS, queries[1:], shifted, strict=True):
            called_ns = tested(residual_ng)[1] <= ALPHA
            # A set may have lost genes to others that vary more without the test samples.
            row[f"set_{size}"] = np.mean(
                [called_ns[n, place[name]] for n, name in enumerate(which) if name in place]
            )
        yield row


class _Before(NamedTuple):
    """What the package did."""

    mean_g: Array
    sd_g: Array
    n: int

    @classmethod
    def fit(cls, known_cg: Array) -> _Before:
        n = len(known_cg)
        return cls(known_cg.mean(0), known_cg.std(0, ddof=1) * np.sqrt(1 + 1 / n), n)

    def z(self, residual_ng: Array) -> Array:
        return np.asarray((residual_ng - self.mean_g) / self.sd_g)

    def tested(self, z_ng: Array) -> tuple[Array, Array]:
        """p-values, and the same adjusted."""
        p_ng = 2 * t.sf(np.abs(z_ng), self.n - 1)
        return p_ng, false_discovery_control(p_ng, axis=1, method="by")


def _of_markers(
    adata: AnnData,
    test: AnnData,
    reference: AnnData,
    column: str,
    kinds: Mapping[str, Mapping[str, str]],
) -> Iterator[dict[str, Any]]:
    """Known genes of other kinds of samples, among the first of each, and of ordinary ones."""
    subtype = adata.obs[column].astype(str)
    queries = {"ordinary samples": test} | {
        kind: adata[(subtype == kind).to_numpy()] for kind in kinds
    }
    found = _detected(reference, list(queries.values()), MARKER_GENES)
    asked = found.expected[(found.expected.obs[keys.SPLIT] == keys.QUERY).to_numpy()]
    of = np.repeat(list(queries), [part.n_obs for part in queries.values()])
    usual = found.scorer.detector.usual
    samples = anomaly.ModelOutputs(
        np.asarray(asked.X),
        np.asarray(asked.layers[keys.reconstruction(found.scorer.name)]),
        np.empty((asked.n_obs, 0)),
    )
    table = anomaly.gene_scores(
        usual, samples, names=list(asked.obs_names), genes=list(asked.var_names), n_top=50
    )
    kind_of = dict(zip(asked.obs_names, of, strict=True))
    called = table[table["p_adjusted"] <= ALPHA].groupby("sample").size()
    for kind, markers in kinds.items():
        hit = table["gene"].map(markers) == table["direction"]
        for who in (kind, "ordinary samples"):
            names = [name for name in asked.obs_names if kind_of[name] == who]
            ranks = table[hit].groupby("sample")["rank"].min().reindex(names)
            yield {
                "what": f"{kind} genes in {who}",
                "detector": NEW,
                "first_10": float((ranks <= 10).mean()),
                "first_50": float((ranks <= 50).mean()),
                "any": float((called.reindex(names).fillna(0) > 0).mean()),
            }


def print_genes(table: pd.DataFrame) -> None:
    """Rates over nominal, and power, by cohort."""
    by = ["dataset", "what", "detector"]
    mean = table.groupby(by, sort=False).mean(numeric_only=True)
    error = table.groupby(by, sort=False).sem(numeric_only=True)
    rates = mean[mean[list(LEVELS)].notna().all(axis=1)]
    columns = [f"p <= {level:g}, over nominal" for level in LEVELS.values()]
    print_table(
        "Ordinary samples (± standard error over seeds)",
        {
            " · ".join(name): [
                *(
                    f"{row[k] / level:.2f} ± {error.loc[name, k] / level:.2f}"
                    for k, level in LEVELS.items()
                ),
                f"{row['any']:.1%}",
            ]
            for name, row in rates.iterrows()
        },
        [*columns, "samples with any at 0.05"],
    )
    spikes = mean[mean["power_6_5"].notna()]
    print_table(
        "Moved genes: found (false among the called)",
        {
            " · ".join(name): [
                f"{row[f'power_{size}_{n}']:.2f} ({row[f'false_{size}_{n}']:.3f})"
                for size, n in SPIKES
            ]
            for name, row in spikes.iterrows()
        },
        [f"{n} genes by {size} SD" for size, n in SPIKES],
    )
    if "set_1" in mean:
        print_table(
            "Moved gene sets: found",
            {
                " · ".join(name): [f"{row[f'set_{size}']:.2f}" for size in SHIFTS]
                for name, row in mean[mean["set_1"].notna()].iterrows()
            },
            [f"all genes by {size} SD" for size in SHIFTS],
        )
    if "first_10" not in mean:
        return
    markers = mean[mean["first_10"].notna()]
    print_table(
        "Known genes: share of tumours",
        {
            name[1]: [f"{row['first_10']:.2f}", f"{row['first_50']:.2f}", f"{row['any']:.2f}"]
            for name, row in markers.iterrows()
        },
        ["among the first 10", "among the first 50", "with any gene called"],
    )
