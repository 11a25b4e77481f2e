"""Detectors beside the simple ones, on cohorts with known anomalies: what is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like import anomaly
from tybalt_like.benchmark.cases import Case
from tybalt_like.benchmark.detectors import DEFAULT, Detector, Scores, known, scored
from tybalt_like.benchmark.division import Divided
from tybalt_like.benchmark.rows import Kept
from tybalt_like.core import keys
from tybalt_like.run.progress import Progress

if TYPE_CHECKING:
    from anndata import AnnData

LEVELS = (0.1, 0.05, 0.01)
"""At which the share of normal samples with p <= alpha is measured."""
RATES = (0.1, 0.05)
"""False discovery rates at which flags are counted."""
PER_ANOMALY = 4
"""Normal samples to an anomaly in the batch that flags are counted in."""
LEAST_ANOMALIES = 5
KEY = ("case", "anomaly", "hidden", "seed")


def detect(
    cases: Iterable[tuple[Case, AnnData]],
    *,
    detectors: Mapping[str, Detector] | None = None,
    seeds: int = 5,
    file: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Every detector on every case and seed.

    Each seed divides the normal samples anew: 60 % to train (a tenth of them to stop early by,
    where training does), 20 % to calibrate, 20 % to test beside all anomalies. Detectors that are
    cross-fitted learn from the first two together. The 2,000 genes of largest mean absolute
    deviation, and every other statistic, come from the samples that are learned from.

    Parameters
    ----------
    cases
        With their samples.
    detectors
        By name; all of them if None (`detectors.known`).
    file
        Table that the rows are written to after each seed; what it holds already is not measured
        again.

    Returns
    -------
    pandas.DataFrame
        One row per ``case, anomaly, detector, seed``, as `measures` makes them, with ``group``,
        ``half``, ``hidden`` and ``remark`` of the case.
    """
    progress, kept = progress or Progress(quiet=True), Kept(file, KEY)
    chosen = known() if detectors is None else detectors
    for case, adata in cases:
        for seed in range(seeds):
            if kept.has(case.name, case.anomalies[0], case.hidden, seed):
                continue
            hidden = f", {case.hidden:.0%} hidden" if case.hidden else ""
            with progress.stage(f"{case.name}: {', '.join(case.anomalies)}{hidden}, seed {seed}"):
                part = Divided.of_case(case, adata, seed=seed)
                table = measures(
                    part,
                    scored(part, chosen),
                    label_n=part.adata.obs[case.label].astype(str).to_list(),
                    anomalies=case.anomalies,
                )
                facts = ("group", "half", "hidden", "remark")
                kept.add(table.assign(case=case.name, **{f: getattr(case, f) for f in facts}))
    return kept.rows()


def measures(
    part: Divided, scores: Mapping[str, Scores], *, label_n: Sequence[str], anomalies: Sequence[str]
) -> pd.DataFrame:
    """How well every detector finds the anomalies, and how often it is wrong.

    Parameters
    ----------
    label_n
        Of every sample; only those of query samples count.

    Returns
    -------
    pandas.DataFrame
        The columns of `anomaly.detection_metrics`; ``ahead`` and ``ahead_error``: AUROC of the
        default less that of the detector, with DeLong's standard error, where the default is
        among them; ``p_10``, ``p_05``, ``p_01``: share of the held-out normal samples with
        p <= alpha; ``power_10``, ``false_10``, ``power_05``, ``false_05``: share of the anomalies
        flagged at q <= alpha and share of the flags that are false (0 without flags), in a batch
        of the held-out normal samples with a quarter as many anomalies drawn at random, five if
        that is fewer; ``n_calibration``, ``seconds``, ``cross_fitted``, ``ours``, ``part`` (of a
        combined score), ``pooled`` (whether these are all anomalies of several kinds), ``seed``.
    """
    normal_n, query_n = part.in_split(keys.TEST), part.in_split(keys.QUERY)
    labels = np.where(query_n, np.asarray(label_n, dtype=object), "")  # not those learned from
    found = anomaly.detection_metrics(
        {name: one.score_n for name, one in scores.items()},
        label_n=labels.tolist(),
        normal_n=normal_n,
        anomalies=anomalies,
    )
    whole = anomaly.together(anomalies)
    rows = []
    for name, strange in zip(found["detector"], found["anomaly"], strict=True):
        strange_n = query_n & np.isin(labels, list(anomalies) if strange == whole else [strange])
        one, used_n = scores[name], normal_n | strange_n
        row = _error_rates(part, one, strange_n) | {"pooled": strange == whole != anomalies[0]}
        if DEFAULT in scores:
            row["ahead"], row["ahead_error"] = anomaly.auroc_difference(
                scores[DEFAULT].score_n[used_n], one.score_n[used_n], strange_n[used_n]
            )
        facts = ("seconds", "cross_fitted", "ours", "part")
        rows.append(row | {fact: getattr(one, fact) for fact in facts})
    return pd.concat([found, pd.DataFrame(rows, index=found.index)], axis=1).assign(seed=part.seed)


def _error_rates(part: Divided, one: Scores, strange_n: np.ndarray) -> dict[str, float]:
    """Shares of p-values, and flags in a batch."""
    calibration_n = part.reference_n if one.cross_fitted else part.in_split(keys.CALIBRATION)
    row: dict[str, float] = {"n_calibration": int(calibration_n.sum())}
    if one.p_n is None:
        return row
    normal_p = one.p_n[part.in_split(keys.TEST)]
    row |= {f"p_{100 * level:02.0f}": float((normal_p <= level).mean()) for level in LEVELS}
    strange = np.random.default_rng(part.seed).permutation(np.flatnonzero(strange_n))
    strange_p = one.p_n[strange[: max(LEAST_ANOMALIES, len(normal_p) // PER_ANOMALY)]]
    q = anomaly.q_values(np.concatenate([normal_p, strange_p]))
    for rate in RATES:
        false, true = (q[: len(normal_p)] <= rate).sum(), (q[len(normal_p) :] <= rate).sum()
        row[f"power_{100 * rate:02.0f}"] = float(true / len(strange_p))
        row[f"false_{100 * rate:02.0f}"] = float(false / max(true + false, 1))
    return row
