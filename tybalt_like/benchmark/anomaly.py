"""Detectors beside the simple baselines, on cohorts with known anomalies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import anomaly, pp, tl
from tybalt_like.anomaly import scores as tables
from tybalt_like.benchmark.baselines import Baseline, available
from tybalt_like.benchmark.cases import Case
from tybalt_like.benchmark.rows import Kept, mean_sd, print_table
from tybalt_like.core import keys
from tybalt_like.core.errors import RecipeError
from tybalt_like.models import Model
from tybalt_like.run.progress import Progress
from tybalt_like.tl.encoders import few_threads
from tybalt_like.tl.score import fit_detector

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]

ALPHA = 0.1
"""Nominal share of normal samples with p <= alpha, whose true share is measured."""
N_GENES = 2000
PER_FEATURE = 3
"""Training samples for each latent feature, at least."""
DEFAULT = "default (PCA-20)"
"""Row of the detector that is used when nobody chooses."""
ENSEMBLE = "ensemble"
ENCODERS: dict[str, dict[str, Any]] = {
    DEFAULT: {"name": "pca", "latent_dim": 20},
    "tybalt": {"name": "tybalt", "latent_dim": 20},
    "beta-VAE": {"name": "beta_vae", "latent_dim": 20},
    "f-AnoGAN": {"name": "f_anogan"},
    "AnoGAN": {"name": "anogan"},
}
"""Rows of ours, with the model and its settings; a model that is not registered is left out."""
PUBLISHED = {"f-AnoGAN": "f_anogan", "AnoGAN": "anogan"}
"""Rows that show a score as it was published; the combined one of that model stands below."""
TOGETHER = (DEFAULT, "tybalt", "beta-VAE")
"""Encoders whose combined scores the ensemble pools."""
NORM_AND_RESIDUAL = ("norm of the standardised row", "PCA-20 reconstruction")
"""Baselines that are also summed, each standardised on the calibration samples."""
KEY = ("case", "anomaly", "seed")
SCALES = {"real": "zscore", "unit": "zero_one"}


@dataclass(frozen=True)
class Scored:
    """Scores of all samples, higher is stranger.

    Attributes
    ----------
    seconds
        That fitting and scoring took.
    ours
        Whether it is one of this package's.
    part
        Whether it is a part of a combined score.
    """

    score_n: Array
    seconds: float
    ours: bool = False
    part: bool = False


def detect(
    cases: Iterable[tuple[Case, AnnData]],
    *,
    encoders: Sequence[str] | None = None,
    seeds: int = 5,
    file: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Every detector on every case and seed.

    Each seed divides the normal samples anew: 60 % to train (a tenth of them to stop early by,
    where training does), 20 % to calibrate, 20 % to test beside all anomalies. The 2,000 genes of
    largest median absolute deviation, and every other statistic, come from the training samples.

    Parameters
    ----------
    cases
        With their samples.
    encoders
        Some of `ENCODERS`; all that are registered if None.
    file
        Table that the rows are written to after each seed; what it holds already is not measured
        again.

    Returns
    -------
    pandas.DataFrame
        One row per ``case, anomaly, detector, seed``: ``n_normal, n_anomaly, prevalence, auroc,
        auprc``, ``flagged`` (share of the held-out normal samples with conformal p <= 0.1),
        ``nominal`` (the largest share that p-values of so few calibration samples can give),
        ``seconds``, ``ours``, ``part`` (of a combined score) and ``remark``.
    """
    progress, kept = progress or Progress(quiet=True), Kept(file, KEY)
    if unknown := set(encoders or ()) - set(ENCODERS):
        raise RecipeError(f"unknown detector {min(unknown)!r}; known: {', '.join(ENCODERS)}")
    chosen = {
        name: settings
        for name, settings in ENCODERS.items()
        if settings["name"] in Model.registry and (encoders is None or name in encoders)
    }
    for case, adata in cases:
        for seed in range(seeds):
            if kept.has(case.name, case.anomalies[0], seed):
                continue
            with progress.stage(f"{case.name}: {', '.join(case.anomalies)}, seed {seed}"):
                kept.add(_measure(case, adata, chosen, seed=seed))
    return kept.rows()


def _measure(
    case: Case, adata: AnnData, encoders: Mapping[str, Mapping[str, Any]], *, seed: int
) -> pd.DataFrame:
    """All detectors on one division of a cohort."""
    part, scaled = prepared(case, adata, seed=seed)
    table = measures(
        dict(detectors(scaled, encoders, seed=seed)),
        label_n=part.obs[case.label].astype(str).to_list(),
        split_n=part.obs[keys.SPLIT].to_numpy(),
        anomalies=case.anomalies,
    )
    return table.assign(case=case.name, seed=seed, remark=case.remark)


def prepared(
    case: Case, adata: AnnData, *, seed: int, spoil: Callable[[AnnData], None] = lambda _: None
) -> tuple[AnnData, Callable[[str], AnnData]]:
    """The samples of a case, divided, and the same on the scale of any domain.

    `spoil` may change the division before anything is fitted.
    """
    label_n = adata.obs[case.label].astype(str)
    part = adata[label_n.isin([*case.normal, *case.anomalies]).to_numpy()].copy()
    part.obs = part.obs[[case.label]]
    pp.split(
        part,
        label=case.label,
        normal=case.normal,
        train=0.6,
        calibration=0.2,
        validation=0.0,
        seed=seed,
    )
    spoil(part)
    return part, _scales(part)


def detectors(
    scaled: Callable[[str], AnnData],
    encoders: Mapping[str, Mapping[str, Any]],
    *,
    seed: int,
    baselines: Iterable[tuple[str, Baseline]] | None = None,
) -> Iterator[tuple[str, Scored]]:
    """Every detector's name and scores: ours, the parts they consist of, and the baselines, all
    that are `available` if none are named."""
    combined: dict[str, Scored] = {}
    for name, settings in encoders.items():
        start = time.perf_counter()
        scores = encoder_scores(scaled, settings, seed=seed)
        seconds = time.perf_counter() - start
        combined[name] = Scored(scores.pop(tables.COMBINED), seconds, ours=True)
        if name in PUBLISHED:
            yield name, Scored(scores[PUBLISHED[name]], seconds, ours=True)
            yield f"{name}, combined", combined[name]
        else:
            yield name, combined[name]
        for part, score_n in scores.items():
            yield f"{name}: {part}", Scored(score_n, seconds, ours=True, part=True)
    together = [combined[name] for name in TOGETHER if name in combined]
    if len(together) > 1:
        calibration_n = _split(scaled, keys.CALIBRATION)
        pairs = [(one.score_n, one.score_n[calibration_n]) for one in together]
        seconds = sum(one.seconds for one in together)
        yield ENSEMBLE, Scored(anomaly.pooled(pairs), seconds, ours=True)
    x_ng = np.asarray(scaled("real").X, dtype=np.float64)
    train_mg, calibration_n = x_ng[_split(scaled, keys.TRAIN)], _split(scaled, keys.CALIBRATION)
    simple: dict[str, Scored] = {}
    for name, baseline in available() if baselines is None else baselines:
        start = time.perf_counter()
        with few_threads():
            score_n = baseline(train_mg, x_ng, seed)
        simple[name] = Scored(score_n, time.perf_counter() - start)
    yield from simple.items()
    pair = [simple[name] for name in NORM_AND_RESIDUAL if name in simple]
    if len(pair) < 2:
        return
    standardised = [
        (one.score_n - one.score_n[calibration_n].mean()) / (one.score_n[calibration_n].std() or 1)
        for one in pair
    ]
    yield (
        " + ".join(NORM_AND_RESIDUAL),
        Scored(np.sum(standardised, axis=0), sum(one.seconds for one in pair)),
    )


def encoder_scores(
    scaled: Callable[[str], AnnData], settings: Mapping[str, Any], *, seed: int
) -> dict[str, Array]:
    """All scores of a model trained with that seed, by name."""
    kind = Model.named(settings["name"])
    adata = scaled(kind.domain).copy()
    config = {key: value for key, value in settings.items() if key != "name"}
    train = np.flatnonzero(adata.obs[keys.SPLIT] == keys.TRAIN)
    if "latent_dim" in config:
        most = min(len(train) // PER_FEATURE, -(-adata.n_vars // 2))
        config["latent_dim"] = max(1, min(config["latent_dim"], most))
    if kind.solve is Model.solve:  # a tenth of the training samples decides when to stop
        rows = np.random.default_rng(seed).permutation(train)[: len(train) // 10]
        adata.obs.iloc[rows, adata.obs.columns.get_loc(keys.SPLIT)] = keys.VALIDATION
    with few_threads():
        model = tl.fit(adata, model=kind.name, seed=seed, device="cpu", **config)
        _, scores = fit_detector(adata, model=model)
    found = scores.set_index("sample").groupby("score", sort=False)["value"]
    return {str(name): of.reindex(adata.obs_names).to_numpy() for name, of in found}


def measures(
    scored: Mapping[str, Scored],
    *,
    label_n: Sequence[str],
    split_n: NDArray[np.object_],
    anomalies: Sequence[str],
) -> pd.DataFrame:
    """How well every detector finds the anomalies, and how many held-out normals it flags."""
    normal_n, calibration_n = split_n == keys.TEST, split_n == keys.CALIBRATION
    found = anomaly.detection_metrics(
        {name: one.score_n for name, one in scored.items()},
        label_n=np.where(split_n == keys.QUERY, label_n, "").tolist(),  # those learned from are not
        normal_n=normal_n,
        anomalies=anomalies,
    )
    m = int(calibration_n.sum())
    about = {}
    for name, one in scored.items():
        p_n = anomaly.conformal_p_values(one.score_n[normal_n], one.score_n[calibration_n])
        about[name] = {
            "flagged": float((p_n <= ALPHA).mean()),
            "nominal": np.floor(ALPHA * (m + 1)) / (m + 1),
            "seconds": one.seconds,
            "ours": one.ours,
            "part": one.part,
        }
    return found.join(pd.DataFrame.from_dict(about, orient="index"), on="detector")


def _scales(adata: AnnData) -> Callable[[str], AnnData]:
    """The cohort on the scale of a domain, with the same genes on each."""
    train_n = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
    made: dict[str, AnnData] = {}

    def scaled(domain: str) -> AnnData:
        scale = SCALES.get(domain, "zscore")
        if scale not in made:
            how = pp.Normalisation(n_genes=N_GENES, scale=scale)
            made[scale] = pp.Normaliser.fit(adata, how, train=train_n).transform(adata)
        return made[scale]

    return scaled


def _split(scaled: Callable[[str], AnnData], name: str) -> NDArray[np.bool_]:
    return np.asarray(scaled("real").obs[keys.SPLIT] == name)


def print_anomaly(rows: pd.DataFrame, *, parts: bool = False) -> None:
    """A table per case and anomaly, one of all cases, and the share of normals flagged.

    Parameters
    ----------
    parts
        Also show the scores that combined ones are made of.
    """
    shown = rows if parts else rows[~rows["part"]]
    for (case, anomalous), part in shown.groupby(["case", "anomaly"], sort=False):
        first = part.iloc[0]
        cells = {
            str(detector): [
                *(mean_sd(of[measure]) for measure in ("auroc", "auprc", "flagged")),
                f"{of['seconds'].mean():.2f}",
            ]
            for detector, of in part.groupby("detector", sort=False)
        }
        title = (
            f"{case} -> {anomalous}: {first['n_anomaly']} anomalies and {first['n_normal']} normal "
            f"samples (prevalence {first['prevalence']:.2f}), mean ± SD of "
            f"{part['seed'].nunique()} seeds{'; ' * bool(first['remark'])}{first['remark']}"
        )
        columns = ["AUROC", "AUPRC", f"normals with p <= {ALPHA}", "seconds"]
        print_table(title, cells, columns)
    over_all = summary(shown).to_dict(orient="index")
    cells = {
        str(detector): [
            f"{row['auroc']:.3f}",
            f"{row['shortfall']:.3f} ({row['where']})",
            f"{row['flagged']:.1%}",
            f"{row['nominal']:.1%}",
            f"{row['seconds']:.2f}",
        ]
        for detector, row in over_all.items()
    }
    columns = ["AUROC", "furthest below the best baseline", "flagged", "possible", "seconds"]
    print_table("All cases but negative controls, the tissues as one", cells, columns)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per detector, best first: means over cases, anomalies and seeds.

    ``shortfall`` is the largest distance of a case's AUROC below that of the best baseline there,
    and ``where`` that case. Negative controls do not count; the cases of one cohort, such as
    tissues held out one by one, count as one in ``auroc``.
    """
    rows = rows[rows["remark"] == ""]
    columns = ["case", "anomaly", "detector"]
    of_case = rows.groupby(columns, sort=False)[["auroc", "flagged", "nominal", "seconds"]].mean()
    baselines = rows[~rows["ours"].astype(bool)]
    best = baselines.groupby(columns)["auroc"].mean().groupby(["case", "anomaly"]).max()
    place = pd.MultiIndex.from_arrays([of_case.index.get_level_values(i) for i in (0, 1)])
    of_case["below"] = best.reindex(place).to_numpy() - of_case["auroc"].to_numpy()
    of_case["group"] = _groups(rows).reindex(place).to_numpy()
    table = of_case.groupby("detector", sort=False)[["flagged", "nominal", "seconds"]].mean()
    grouped = of_case.groupby(["detector", "group"], sort=False)["auroc"].mean()
    table["auroc"] = grouped.groupby("detector").mean()
    worst = of_case["below"].groupby("detector").idxmax()
    table["shortfall"] = of_case["below"].groupby("detector").max()
    table["where"] = [" -> ".join(worst[detector][:2]) for detector in table.index]
    return table.sort_values("auroc", ascending=False)


def _groups(rows: pd.DataFrame) -> pd.Series:
    """What counts as one, by case and anomaly: the anomalies that are held out one by one."""
    pairs = rows[["case", "anomaly", "seed", "n_normal"]].drop_duplicates(["case", "anomaly"])
    one_by_one = pairs.groupby("case")["n_normal"].transform("nunique") > 1
    group = pairs["case"] + np.where(one_by_one, "", " -> " + pairs["anomaly"])
    return pd.Series(group.to_numpy(), index=pd.MultiIndex.from_frame(pairs[["case", "anomaly"]]))
