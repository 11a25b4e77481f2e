"""Whether p-values hold for new samples, by how the reference was divided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import pp
from tybalt_like.benchmark.baselines import pca_reconstruction
from tybalt_like.benchmark.rows import mean_sd, print_table
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.io.datasets import load
from tybalt_like.run.progress import Progress
from tybalt_like.tl.encoders import few_threads

if TYPE_CHECKING:
    from anndata import AnnData

LEVELS = (0.05, 0.1)
COLUMNS = ["case", "division", "tested", "level", "seed", "value", "nominal"]
NEW = 5
"""A fifth of the groups is new."""
DIVISIONS = ("random", "stratified", "grouped")
KNOWN_GROUPS, NEW_GROUPS = "test split", "new groups"


class Reference(NamedTuple):
    """Normal samples, what they are stratified by, and which belong together."""

    name: str
    dataset: str
    label: str
    group: str | None = None
    where: tuple[str, str] | None = None


REFERENCES = (
    Reference("ecoli_precise, projects", "ecoli_precise", "condition", "project"),
    Reference("ecoli_precise, replicates", "ecoli_precise", "condition", "condition"),
    Reference(
        "tggates_hepatocyte, experiments",
        "tggates_hepatocyte",
        "duration",
        "exp_id",
        where=("dose_level", "Control"),
    ),
    Reference("tissue_dslabs", "tissue_dslabs", "tissue"),
)


def split(
    names: Sequence[str] | None = None, *, seeds: int = 20, progress: Progress | None = None
) -> pd.DataFrame:
    """The residual of PCA-20, calibrated and tested on normal samples.

    Each seed takes a fifth of the groups away, the new ones, and divides the others: 60 % to
    train, 20 % to calibrate, 20 % to test, at random, stratified by label, or with whole groups.

    Returns
    -------
    pandas.DataFrame
        One row per ``case, division, tested, level, seed``: ``value``, the share of tested samples
        with p <= level, and ``nominal``, the largest share that so few calibration samples allow.
    """
    progress = progress or Progress(quiet=True)
    tables = []
    for reference in REFERENCES:
        if names is not None and reference.dataset not in names:
            continue
        try:
            adata = load(reference.dataset)
        except DataError as error:
            progress.say(f"left out: {error}")
            continue
        if reference.where is not None:
            column, value = reference.where
            adata = adata[(adata.obs[column].astype(str) == value).to_numpy()].copy()
        with progress.stage(f"{reference.name}, {adata.n_obs} samples"):
            rows = [row for seed in range(seeds) for row in _rows(adata, reference, seed)]
        tables.append(pd.DataFrame(rows).assign(case=reference.name))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def _rows(adata: AnnData, reference: Reference, seed: int) -> Iterator[dict[str, object]]:
    grouped, new_n = reference.group is not None, np.zeros(adata.n_obs, dtype=bool)
    if grouped:
        group_n = adata.obs[reference.group].astype(str)
        new_n = pp.folds(np.zeros(adata.n_obs), NEW, group_n=group_n, seed=seed) == 0
    for division in DIVISIONS if grouped else DIVISIONS[:2]:
        part = adata.copy()
        pp.split(
            part,
            label=None if division == "random" else reference.label,
            group=reference.group if division == "grouped" else None,
            validation=0.0,
            held_out=new_n,
            seed=seed,
        )
        p_n, nominal = _p_values(part, seed)
        tested = {KNOWN_GROUPS: (part.obs[keys.SPLIT] == keys.TEST).to_numpy(), NEW_GROUPS: new_n}
        for name, tested_n in tested.items():
            for level in LEVELS if tested_n.any() else ():
                yield {
                    "division": division,
                    "tested": name,
                    "level": level,
                    "seed": seed,
                    "value": (p_n[tested_n] <= level).mean(),
                    "nominal": nominal(level),
                }


def _p_values(part: AnnData, seed: int) -> tuple[NDArray[np.float64], Callable[[float], float]]:
    """Of all samples; and the share of them that a level allows at most."""
    scaled = pp.Normaliser.fit(part, pp.Normalisation(scale="zscore")).transform(part)
    x_ng = np.asarray(scaled.X, dtype=np.float64)
    train_n, calibration_n = (
        (scaled.obs[keys.SPLIT] == name).to_numpy() for name in (keys.TRAIN, keys.CALIBRATION)
    )
    with few_threads():
        score_n = pca_reconstruction(x_ng[train_n], x_ng, seed)
    calibration_c = np.sort(score_n[calibration_n])
    n = len(calibration_c) + 1
    at_least_n = n - 1 - np.searchsorted(calibration_c, score_n, side="left")
    return (1 + at_least_n) / n, lambda level: np.floor(level * n) / n


def print_split(rows: pd.DataFrame) -> None:
    """Shares of samples with p <= .1 and .05, mean ± SD of the seeds."""
    for tested, part in rows.groupby("tested", sort=False):
        cells = {
            f"{case}: {division}": [
                cell
                for level in reversed(LEVELS)
                for found in [of[of["level"] == level]]
                for cell in (mean_sd(found["value"]), f"{found['nominal'].mean():.3f}")
            ]
            for (case, division), of in part.groupby(["case", "division"], sort=False)
        }
        columns = [head for level in reversed(LEVELS) for head in (f"p <= {level}", "nominal")]
        print_table(f"{tested}, {part['seed'].nunique()} seeds", cells, columns)
