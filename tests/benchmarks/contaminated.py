"""Detectors that learn from samples among which there are anomalies, and ADBench's tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from cohorts import of_benchmark
from numpy.typing import NDArray

from tybalt_like.benchmark.anomaly import measures
from tybalt_like.benchmark.detectors import OURS, TRIMMED, Scores, default, rivals, scored
from tybalt_like.benchmark.division import Divided
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.io.datasets import ENVIRONMENT
from tybalt_like.run.progress import Progress

SHARES = (0.01, 0.05, 0.1)
"""Of the reference samples, how many are anomalies."""
ADBENCH_TRIMMED = 0.2
"""`data.contamination` for ADBench's contaminated tables, whatever their true share: .02 to .36."""
MAX_ROWS = 6000
"""Of larger tables, so many rows are drawn."""
NORMALS_ONLY, CONTAMINATED = "normals only", "contaminated"


def contaminated(
    cases: Sequence[str] | None = None,
    *,
    seeds: int = 5,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """The default detector, plain and trimmed, with 0, 1, 5 and 10 % anomalies in the reference.

    Up to half of the anomalies are hidden among the training and calibration samples, in
    proportion; the others are to be found. ``trimmed`` has `data.contamination` set to the share.

    Returns
    -------
    pandas.DataFrame
        As `detect`; no two cases are of one group.
    """
    progress = progress or Progress(quiet=True)
    tables = []
    for case, adata in of_benchmark(cases, progress):
        if case.remark:
            continue
        for seed in range(seeds):
            with progress.stage(f"{case.name}: {', '.join(case.anomalies)}, seed {seed}"):
                for share in (0.0, *SHARES):
                    part = Divided.of_case(replace(case, hidden=share), adata, seed=seed)
                    table = measures(
                        part,
                        _plain_and_trimmed(part, share),
                        label_n=part.adata.obs[case.label].astype(str).to_list(),
                        anomalies=case.anomalies,
                    )
                    about = {"case": case.name, "hidden": share}
                    tables.append(table.assign(**about, remark="", group="", half=""))
    return pd.concat(tables, ignore_index=True)


def _plain_and_trimmed(part: Divided, share: float) -> dict[str, Scores]:
    """All detectors, and the default one on what trimming leaves of the reference."""
    trimmed = {TRIMMED: default(share)} if share else {}
    chosen = OURS | trimmed | rivals(folds=0)
    return {name: one for name, one in scored(part, chosen).items() if not one.part}


def adbench(*, seeds: int = 5, progress: Progress | None = None) -> pd.DataFrame:
    """ADBench's tables (Han et al., NeurIPS 2022): any kind of measurements, not genes.

    With ``normals only`` 60 % of the normal rows train, 20 % calibrate and 20 % are tested beside
    all anomalies; ``contaminated``: 60, 20 and 20 % of the normal rows and of the anomalies. All
    detectors see columns standardised on the training rows.

    Returns
    -------
    pandas.DataFrame
        As `detect`; ``anomaly`` says which of the two.
    """
    progress = progress or Progress(quiet=True)
    folder = Path(os.environ.get(ENVIRONMENT, "")) / "adbench"
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise DataError(f"no ADBench tables in {folder}; set {ENVIRONMENT} to the folder above it")
    tables = []
    for file in files:
        with progress.stage(file.stem), np.load(file) as content:
            x_ng, strange_n = content["X"].astype(np.float64), content["y"].ravel() == 1
            for seed in range(seeds):
                for training in (NORMALS_ONLY, CONTAMINATED):
                    table = _measure_table(x_ng, strange_n, training, seed=seed)
                    about = {"case": file.stem, "hidden": 0.0, "half": training}
                    tables.append(table.assign(**about, remark="", group=""))
    return pd.concat(tables, ignore_index=True)


def _measure_table(
    x_ng: NDArray[np.float64], strange_n: NDArray[np.bool_], training: str, *, seed: int
) -> pd.DataFrame:
    from anndata import AnnData

    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(x_ng))[:MAX_ROWS])
    x_ng, strange_n = x_ng[rows], strange_n[rows]
    split_n = np.full(len(x_ng), keys.QUERY, dtype=object)
    for group_n in (~strange_n, strange_n) if training == CONTAMINATED else (~strange_n,):
        shuffled = rng.permutation(np.flatnonzero(group_n))
        ends = np.rint(np.array([0.6, 0.8]) * len(shuffled)).astype(int)
        names = (keys.TRAIN, keys.CALIBRATION, keys.TEST)
        for name, part in zip(names, np.split(shuffled, ends), strict=True):
            split_n[part] = name
    split_n[strange_n & (split_n == keys.TEST)] = keys.QUERY
    train_n = split_n == keys.TRAIN
    sd_g = x_ng[train_n].std(0)
    varies_g = sd_g > 1e-8
    z_ng = (x_ng - x_ng[train_n].mean(0))[:, varies_g] / sd_g[varies_g]
    adata = AnnData(z_ng.astype(np.float32))
    adata.obs[keys.SPLIT] = split_n.astype(str)
    part = Divided(adata, seed=seed, as_is=True)
    return measures(
        part,
        _plain_and_trimmed(part, ADBENCH_TRIMMED if training == CONTAMINATED else 0.0),
        label_n=np.where(strange_n, training, "").tolist(),
        anomalies=[training],
    )
