"""What the tables say, in sentences: also where the model is no better than something simple."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tybalt_like.perturbation.baselines import (
    MEAN_BY_CONDITION,
    MEAN_CHANGE,
    NO_CHANGE,
    ON_GENES,
    RIDGE,
)
from tybalt_like.perturbation.training import ablation
from tybalt_like.report.words import capital, listed

WORDS = {
    "gene_correlation": "correlation per gene of the predicted with the measured change (median)",
    "sample_correlation": "correlation per sample of the predicted with the measured change",
    "mean_correlation": "correlation over genes of the mean changes, predicted and measured",
    "explained": "share of the squared change explained",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "correlation": "correlation of predicted and known responses",
}
SIMPLE = (NO_CHANGE, MEAN_CHANGE, MEAN_BY_CONDITION, RIDGE)


def summarise(changes: pd.DataFrame, responses: pd.DataFrame, *, model: str) -> list[str]:
    """One sentence for each measure: the model's mean over drugs and seeds with the others'."""
    return [*_of_changes(changes, model), *_of_responses(responses, model)]


def _of_changes(changes: pd.DataFrame, model: str) -> list[str]:
    if changes.empty:
        return []
    said = []
    for measure in ("gene_correlation", "sample_correlation", "mean_correlation", "explained"):
        part = changes[changes["measure"] == measure]
        said.append(_compared(part, measure, model, SIMPLE))
    true = changes[(changes["measure"] == "true_correlation") & (changes["method"] == model)]
    if len(true):
        said.append(
            f"The correlation of the predicted change with the true one, without noise, is "
            f"{true['value'].mean():.3f} (simulated data)."
        )
    return said


def _of_responses(responses: pd.DataFrame, model: str) -> list[str]:
    if responses.empty:
        return []
    measure = "auroc" if (responses["measure"] == "auroc").any() else "correlation"
    part = responses[responses["measure"] == measure]
    mean = part.groupby("method")["value"].mean()
    said = [_compared(part, measure, model, ON_GENES)]
    best = mean.drop([model, ablation(model)], errors="ignore")
    if best.notna().any():
        said.append(
            f"The best of all {len(best)} baselines, looking back, is {best.idxmax()} with "
            f"{best.max():.3f}."
        )
    ablated = mean.get(ablation(model))
    if ablated is not None and pd.notna(ablated):
        said.append(
            f"If treatment is taken to change nothing (ablation), {model} reaches {ablated:.3f}."
        )
    return said


def _compared(part: pd.DataFrame, measure: str, model: str, others: Sequence[str]) -> str:
    mean = part.groupby("method", sort=False)["value"].mean()
    own, others = float(mean[model]), [name for name in mean.index if name in others]
    shown = ", ".join(f"{name} {mean[name]:.3f}" for name in others)
    said = f"{capital(WORDS[measure])}: {model} {own:.3f}; {shown}."
    kept = [name for name in others if not mean[name] < own]
    return said + (f" It is not better than {listed(kept)}." if kept else "")
