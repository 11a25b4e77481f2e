"""What the tables say, in sentences: also where the model is no better than something simple."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tybalt_like.evaluation.conformal import LEVEL
from tybalt_like.perturbation.baselines import ON_GENES
from tybalt_like.perturbation.prediction_tables import compared
from tybalt_like.perturbation.rules import RULES
from tybalt_like.perturbation.training import ablation
from tybalt_like.report.words import capital, counted, listed, percent

WORDS = {
    "treated_correlation": "correlation of treated profiles, the constant taken from both",
    "explained": "share of the squared distance from the constant explained",
    "retrieval": "retrieval of the right condition by its predicted profile (chance 0.5)",
    "change_correlation": "correlation of changes, the mean change taken from both",
    "auroc": "AUROC",
    "correlation": "correlation of predicted and known responses",
}
LEADING = ("treated_correlation", "explained", "retrieval", "change_correlation")
"""Measures of treated profiles that sentences are made of."""
ERRORS = 2
"""Standard errors by which one must be ahead to count as better."""


def summarise(changes: pd.DataFrame, responses: pd.DataFrame, *, model: str) -> list[str]:
    """One sentence for each measure: the model's mean over drugs and seeds with the others'."""
    return [*_of_changes(changes, model), *_of_responses(responses, model)]


def _of_changes(changes: pd.DataFrame, model: str) -> list[str]:
    if changes.empty:
        return []
    table = compared(changes, model)
    said = [of_rules(table[table["measure"] == name], name, model) for name in LEADING]
    true = table[(table["measure"] == "true_correlation") & (table["method"] == model)]
    if len(true):
        said.append(
            f"With treated profiles without noise, the constant taken from both, it is "
            f"{true['value'].mean():.3f} (simulated data)."
        )
    covered = table[(table["measure"] == "coverage") & (table["method"] == model)]
    if len(covered):
        said.append(
            f"{percent(covered['value'].mean())} of the genes of held-out samples lie within "
            f"their {percent(LEVEL)} interval."
        )
    return [sentence for sentence in said if sentence]


def of_rules(part: pd.DataFrame, measure: str, model: str) -> str:
    """The model beside the best simple rule, and of which it is not ahead."""
    table = part.set_index("method")
    rules = table[table.index.isin(RULES)]
    if model not in table.index or rules.empty:
        return ""
    best = str(rules["value"].idxmax())
    own = float(table.loc[[model], "value"].iloc[0])
    said = (
        f"{capital(WORDS[measure])}: {model} {own:.3f}; of "
        f"{counted(len(rules), 'simple rule')} {best} is best with {rules['value'].max():.3f}."
    )
    n = int(rules["n"].max())
    errors = rules["ahead"] / rules["se"]
    behind = [str(name) for name in rules.index[errors < -ERRORS]]
    alike = [str(name) for name in rules.index[~(errors.abs() > ERRORS)]]
    if not behind and not alike:
        return f"{said} It is ahead of all by more than two standard errors (n = {n})."
    if behind:
        said += f" By more than two standard errors (n = {n}) it is behind {listed(behind)}."
    if alike:
        said += f" By two standard errors (n = {n}) it cannot be told from {listed(alike)}."
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
