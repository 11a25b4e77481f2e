"""What the tables say, in sentences: also where the model is no better than something simple."""

from __future__ import annotations

import pandas as pd

from tybalt_like.perturbation.baselines import MEAN_BY_CONDITION, MEAN_CHANGE, NO_CHANGE, RIDGE
from tybalt_like.perturbation.training import IDENTITY

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


def verdict(changes: pd.DataFrame, responses: pd.DataFrame, *, model: str) -> list[str]:
    """One sentence for each measure: the model's mean over drugs and seeds beside the others'."""
    said = []
    if len(changes):
        for measure in ("gene_correlation", "sample_correlation", "mean_correlation", "explained"):
            part = changes[changes["measure"] == measure]
            said.append(_beside(part, measure, model, list(SIMPLE)))
        true = changes[(changes["measure"] == "true_correlation") & (changes["method"] == model)]
        if len(true):
            said.append(
                f"The correlation of the predicted change with the true one, without noise, is "
                f"{true['value'].mean():.3f} (simulated data)."
            )
    if len(responses):
        measure = "auroc" if (responses["measure"] == "auroc").any() else "correlation"
        part = responses[responses["measure"] == measure]
        others = [m for m in part["method"].unique() if not m.startswith(model)]
        on_x1 = [m for m in others if m.endswith("on x1")]
        said.append(_beside(part, measure, model, on_x1))
        best = part[part["method"].isin(others)].groupby("method")["value"].mean()
        if best.notna().any():
            said.append(
                f"The best of all {len(others)} baselines, looking back, is {best.idxmax()} with "
                f"{best.max():.3f}."
            )
        ablated = part[part["method"] == f"{model}, {IDENTITY}"]["value"].mean()
        if pd.notna(ablated):
            said.append(
                f"If treatment is taken to change nothing (ablation), {model} reaches "
                f"{ablated:.3f}."
            )
    return said


def _beside(part: pd.DataFrame, measure: str, model: str, others: list[str]) -> str:
    mean = part.groupby("method")["value"].mean()
    own = float(mean[model])
    others = [name for name in others if name in mean]
    below = [name for name in others if mean[name] < own]
    shown = ", ".join(f"{name} {mean[name]:.3f}" for name in others)
    kept = [name for name in others if name not in below]
    sentence = f"{_capital(WORDS[measure])}: {model} {own:.3f}; {shown}."
    if kept:
        sentence += f" It is not better than {' and '.join(kept)}."
    return sentence


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
