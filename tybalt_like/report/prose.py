"""What a run found, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from tybalt_like.report.contents import Contents

MIN_HELD_OUT = 20
"""Fewer held-out normal samples say nothing about calibration."""


def percent(share: float) -> str:
    """``5 %``, with a space that does not break."""
    return f"{100 * share:.0f}\u00a0%"


def sentence(text: str) -> str:
    """With a capital at the start and a full stop at the end."""
    return f"{capital(text).rstrip('.')}." if text else ""


def capital(text: str) -> str:
    """With a capital at the start."""
    return text[:1].upper() + text[1:]


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def counted(n: int, noun: str = "sample") -> str:
    """``1 sample``, ``2,000 samples``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def data(run: Contents) -> str:
    """What was read, and what was learned from."""
    reading, splits, normal = run.about["reading"], run.about["splits"], run.about["normal"]
    noun = "pixel" if run.of_images else "gene"
    size = f"{counted(reading['n_obs'])} and {counted(reading['n_vars'], noun)}"
    of = f" labelled {listed(normal, 'or')}" if normal else ""
    role = (
        "chose the best epoch" if run.about["model"]["best_epoch"] >= 0 else "watched its progress"
    )
    judged = f", {splits['validation']:,} others {role}" * (splits["validation"] > 0)
    learned = (
        f"The matrix holds {size}. {capital(run.title())} learned what is normal from "
        f"{counted(splits['train'])}{of}{judged}"
    )
    calibrated = f"{splits['calibration']:,} calibrated the scores"
    if run.cross_fitted:
        return (
            f"{learned}, and {calibrated}. No label says what is normal, so every sample was "
            "tested, each by a further model that was trained and calibrated on others."
        )
    held_out = f"{splits['test']:,} were held out, to be tested as if unknown"
    return f"{learned}, {calibrated}, and {held_out}."


def finding(run: Contents) -> str:
    """How many samples are flagged."""
    tested, flagged = run.about["flagged"]["tested"], run.about["flagged"]["flagged"]
    if not tested:
        return "No sample was left to be tested."
    rate = f"at a false-discovery rate of {percent(run.about['fdr'])}"
    of = f"of {counted(tested, 'tested sample')}"
    if not flagged:
        return f"None {of} is flagged as anomalous, {rate}; the strangest are listed first."
    verb = "is" if flagged == 1 else "are"
    return f"{flagged:,} {of} ({percent(flagged / tested)}) {verb} flagged as anomalous, {rate}."


def by_label(run: Contents) -> pd.DataFrame:
    """Tested and flagged samples of each label, and the role of the label in this run."""
    table = pd.DataFrame({"label": run.labels, "flagged": run.flagged})[run.tested]
    counts = table.groupby("label")["flagged"].agg(["size", "sum"])
    order = [label for label in [*run.palette, ""] if label in counts.index]
    normal, anomalies = run.about["normal"], run.about["anomalies"]
    role = dict.fromkeys(normal, "normal, held out")
    role |= dict.fromkeys(anomalies, "named as anomalous")
    other = "neither" if normal else "reference"
    counts = counts.loc[order].set_axis(["tested", "flagged"], axis=1).reset_index()
    return counts.assign(
        role=[role.get(label, other) for label in counts["label"]],
        share=counts["flagged"] / counts["tested"],
    )


def comparison(run: Contents) -> list[dict[str, object]]:
    """For each anomaly, AUROC of the model's combined score and of the baselines, and a verdict."""
    rows = []
    for anomaly in dict.fromkeys(run.metrics["anomaly"]):
        table = run.metrics[run.metrics["anomaly"] == anomaly].set_index("detector")
        ours = float(table["auroc"][f"{run.model} combined"])
        others = {
            name: table["auroc"][table.index.str.startswith(prefix)].max()
            for prefix, name in _BASELINES.items()
            if prefix != f"{run.model} "
        }
        error = standard_error(ours, *table.iloc[0][["n_anomaly", "n_normal"]])
        verdicts = [f"{_verdict(ours - auroc)} {name}" for name, auroc in others.items()]
        rows.append(
            {
                "anomaly": anomaly if anomaly in run.about["anomalies"] else "all together",
                "ours": ours,
                "error": error,
                "others": others,
                "verdict": sentence(listed(verdicts)),
            }
        )
    return rows


_BASELINES = {"pca ": "the best PCA score", "norm ": "the plain norm"}


def _verdict(difference: float) -> str:
    if abs(difference) < 0.0005:
        return "level with"
    return f"{abs(difference):.3f} {'above' if difference > 0 else 'below'}"


def standard_error(auroc: float, n_anomaly: int, n_normal: int) -> float:
    """Standard error of an AUROC (Hanley & McNeil, Radiology 1982)."""
    q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    variance = auroc * (1 - auroc)
    variance += (n_anomaly - 1) * (q1 - auroc**2) + (n_normal - 1) * (q2 - auroc**2)
    return sqrt(max(variance, 0) / (n_anomaly * n_normal))


def calibration(run: Contents) -> str:
    """Whether p-values of held-out normal samples are as frequent as they should be."""
    p = run.score("p_value")[run.held_out].dropna()
    if run.cross_fitted or len(p) < MIN_HELD_OUT:
        return ""
    low = int((p <= 0.1).sum())
    return (
        f"A check: {low} of the {len(p)} held-out normal samples ({percent(low / len(p))}) have "
        f"p ≤ 0.1; about {percent(0.1)} should."
    )
