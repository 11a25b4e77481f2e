"""Outliers injected into real counts: who finds them, and are p-values of clean counts uniform?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.aberrant.counts import checked_counts, expressed
from tybalt_like.aberrant.injection import Injected, inject
from tybalt_like.aberrant.reference import Reference, Tested
from tybalt_like.aberrant.statistics import Floats, inflation, p_values
from tybalt_like.benchmark.rows import mean_sd, print_table
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets
from tybalt_like.pp.transforms.median_of_ratios import MedianOfRatios
from tybalt_like.run.progress import Progress

if TYPE_CHECKING:
    from anndata import AnnData

DATASETS = ("geuvadis_counts", "kremer_counts")
FREQUENCIES, SIZES = (1e-2, 1e-3), (3.0, 4.0, 6.0)
MASKED = "masked by a batch"
MAX_GENES = 2000
"""Of more expressed genes, each seed draws so many."""
BATCH_SD = 1.0
"""Standard deviation of a hidden batch's log2 fold changes."""
PCA_SIZES = range(5, 45, 5)
OURS, PCA, BEST_PCA, PROTRIDER = "nb_autoencoder", "PCA", "PCA, best size", "PROTRIDER"
COLUMNS = ["dataset", "setting", "detector", "seed", "metric", "value"]


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


def aberrant(
    *, seeds: int = 5, dataset: str | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """AUPRC of injected outliers, all pairs of gene and sample ranked together, and calibration.

    Beside the autoencoder stand residual z-scores of PCA on ``log2(count / size factor + 1)``
    with as many components; the same with the best of several sizes, chosen knowing the answers;
    and PROTRIDER where it is installed. Counts that are aberrant already pass for false alarms.

    Returns
    -------
    pandas.DataFrame
        One row per data set, setting, detector, seed and metric, columns `COLUMNS`. Metrics:
        ``auprc``, ``seconds``, and for the autoencoder ``lambda`` (inflation of the mid-p-values)
        and ``p <= 0.01`` (share of p-values): in genes without injected outliers, in the counts
        as they are, in clean ones drawn from the fitted model, and in held-out samples.

    Raises
    ------
    DataError
        If none of the data sets is on this machine.
    """
    progress = progress or Progress(quiet=True)
    rows: list[tuple[str, str, str, int, str, float]] = []
    for name in [dataset] if dataset else DATASETS:
        try:
            adata = datasets.load(name)
        except DataError as error:
            progress.say(f"{name} is left out: {error}")
            continue
        x_nv = checked_counts(adata)
        expressed_g = np.flatnonzero(expressed(x_nv, min_count=10))
        for seed in range(seeds):
            chosen_g = np.random.default_rng(seed).permutation(expressed_g)[:MAX_GENES]
            x_ng = x_nv[:, np.sort(chosen_g)]
            with progress.stage(f"{name}, seed {seed}"):
                for setting, detector, metric, value in _measure(x_ng, seed, progress.say):
                    rows.append((name, setting, detector, seed, metric, value))
    if not rows:
        raise DataError(
            f"none of {', '.join(DATASETS)} is on this machine; name a folder that holds them in "
            f"{datasets.ENVIRONMENT}"
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _measure(
    x_ng: Floats, seed: int, say: Callable[[str], None]
) -> Iterator[tuple[str, str, str, float]]:
    """Setting, detector, metric and value."""
    rng = np.random.default_rng(seed)
    for setting in SETTINGS:
        counts, truth_ng = _injected(x_ng, setting, rng)
        start = time.perf_counter()
        reference, tested = Reference.fit(_anndata(counts), min_count=0, seed=seed)
        yield str(setting), OURS, "seconds", time.perf_counter() - start
        found = {OURS: _auprc(truth_ng, -tested.p_ng)}
        found |= _by_pca(counts, tested.size_n, truth_ng, reference.latent_dim)
        if find_spec("protrider") is not None:
            found[PROTRIDER] = _auprc(truth_ng, -_protrider(counts, tested.size_n))
        for detector, value in found.items():
            yield str(setting), detector, "auprc", value
        untouched_g = np.asarray(~truth_ng.any(axis=0))
        yield from _calibration(str(setting), tested, clean_g=untouched_g)
        say(f"{setting}: " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    yield from _clean(x_ng, rng, seed)


def _injected(x_ng: Floats, setting: Setting, rng: np.random.Generator) -> Injected:
    """Outliers of the sizes that genes vary by before the batch, if there is one, is added."""
    size_n = MedianOfRatios.fit([x_ng]).size_factors(x_ng)
    sd_g = np.log2(x_ng / size_n[:, None] + 1).std(axis=0, ddof=1)
    if setting.masked:
        n, g = x_ng.shape
        effect_ng = np.outer(rng.random(n) < 0.5, rng.normal(0, BATCH_SD, g))
        x_ng = np.round(x_ng * np.exp2(effect_ng))
        size_n = MedianOfRatios.fit([x_ng]).size_factors(x_ng)
    return inject(x_ng, size_n, frequency=setting.frequency, z=setting.z, rng=rng, sd_g=sd_g)


def _by_pca(
    x_ng: Floats, size_n: Floats, truth_ng: NDArray[np.bool_], latent_dim: int
) -> dict[str, float]:
    """AUPRC of residuals in units of their gene's standard deviation."""
    log_ng = np.log2(x_ng / size_n[:, None] + 1)
    log_ng -= log_ng.mean(axis=0)
    u_nk, s_k, v_kg = np.linalg.svd(log_ng, full_matrices=False)

    def auprc(k: int) -> float:
        residual_ng = log_ng - (u_nk[:, :k] * s_k[:k]) @ v_kg[:k]
        return _auprc(truth_ng, np.abs(residual_ng / residual_ng.std(axis=0).clip(min=1e-9)))

    return {PCA: auprc(latent_dim), BEST_PCA: max(map(auprc, PCA_SIZES))}


def _protrider(x_ng: Floats, size_n: Floats) -> Floats:
    """p-values of PROTRIDER at its defaults, given normalised log2 counts."""
    import protrider  # type: ignore[import-not-found]

    table = pd.DataFrame(np.log2(x_ng / size_n[:, None] + 1)).T
    table.columns = [f"s{i}" for i in table.columns]
    table.index = pd.Index([f"g{i}" for i in table.index], name="protein_ID")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "log2.csv"
        table.to_csv(file)
        config = protrider.ProtriderConfig(
            input_intensities=str(file), log_func_name=None, device="cpu", n_jobs=-1
        )
        result = protrider.run(config)[0]
    p: pd.DataFrame = result.df_pvals
    return p.loc[table.columns, table.index].to_numpy(np.float64)


def _clean(
    x_ng: Floats, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, str, str, float]]:
    """Calibration where nothing was injected."""
    tested = Reference.fit(_anndata(x_ng), min_count=0, seed=seed)[1]
    yield from _calibration("as they are", tested)
    theta_g = tested.dispersion_g
    drawn_ng = rng.negative_binomial(theta_g, theta_g / (theta_g + tested.expected_ng))
    simulated = Reference.fit(_anndata(drawn_ng.astype(np.float64)), min_count=0, seed=seed)[1]
    yield from _calibration("drawn from the model", simulated)
    held_n = rng.permutation(len(x_ng)) < len(x_ng) // 4
    reference = Reference.fit(_anndata(x_ng[~held_n]), min_count=0, seed=seed)[0]
    yield from _calibration("held-out samples", reference.test(_anndata(x_ng[held_n])))


def _calibration(
    setting: str, tested: Tested, *, clean_g: NDArray[np.bool_] | None = None
) -> Iterator[tuple[str, str, str, float]]:
    expected = tested.expected_ng, tested.dispersion_g
    mid_ng, p_ng = p_values(tested.observed_ng, *expected, mid=True), tested.p_ng
    if clean_g is not None:
        mid_ng, p_ng = mid_ng[:, clean_g], p_ng[:, clean_g]
    if p_ng.size:
        yield setting, OURS, "lambda", inflation(mid_ng)
        yield setting, OURS, "p <= 0.01", float((p_ng <= 0.01).mean())


def _auprc(truth_ng: NDArray[np.bool_], score_ng: Floats) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth_ng.ravel(), score_ng.ravel()))


def _anndata(x_ng: Floats) -> AnnData:
    from anndata import AnnData

    genes = pd.DataFrame(index=[f"g{i}" for i in range(x_ng.shape[1])])
    samples = pd.DataFrame(index=[f"s{i}" for i in range(x_ng.shape[0])])
    return AnnData(x_ng, obs=samples, var=genes)


def print_aberrant(rows: pd.DataFrame) -> None:
    """AUPRC of every detector and the calibration, mean and standard deviation over seeds."""
    for dataset, part in rows.groupby("dataset", sort=False):
        auprc = part[part["metric"] == "auprc"]
        detectors = list(auprc["detector"].unique())
        own = part[(part["detector"] == OURS) & part["metric"].isin(["lambda", "p <= 0.01"])]
        metrics = list(own["metric"].unique())
        cells = {
            str(setting): [
                *(mean_sd(of["value"][of["detector"] == name]) for name in detectors),
                *(
                    mean_sd(own["value"][(own["setting"] == setting) & (own["metric"] == metric)])
                    for metric in metrics
                ),
            ]
            for setting in part["setting"].unique()
            for of in [auprc[auprc["setting"] == setting]]
        }
        columns = [f"AUPRC {detectors[0]}", *detectors[1:], *metrics]
        title = f"{dataset}, frequency and size of outliers; {part['seed'].nunique()} seeds"
        print_table(title, cells, columns)
