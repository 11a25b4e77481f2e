"""Treated profiles and responses of groups that were held out, beside simple rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tybalt_like.benchmark.rows import Kept, mean_sd, print_table
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.core.toml import tables_of
from tybalt_like.io.datasets import PIPELINES
from tybalt_like.perturbation import PairedJob, Plan, Samples, read
from tybalt_like.perturbation.prediction_tables import changes, compared, predictions, responses
from tybalt_like.perturbation.rules import RULES
from tybalt_like.perturbation.summary import ERRORS, summarise
from tybalt_like.perturbation.training import train_pairs
from tybalt_like.run.progress import Progress

RECIPES = (
    "drvae_simulated",
    "drvae_l1000_a375",
    "drvae_tggates_hepatocyte",
    "drvae_kang_ifnb",
)
COLUMNS = ["recipe", "task", "method", "seed", "measure", "value", "ahead", "se"]
CHANGE, RESPONSE = "change", "response"
HEADINGS = {
    "treated_correlation": "treated",
    "explained": "explained",
    "retrieval": "retrieval",
    "change_correlation": "change",
    "sign_accuracy": "sign",
    "change_auprc": "AUPRC",
    "coverage": "covered",
    "width": "width",
    "true_correlation": "truth",
    "shared_control_correlation": "old",
    "auroc": "AUROC",
    "auprc": "AUPRC",
}
LEADING = ("treated_correlation", "explained", "retrieval", "change_correlation")
"""Measures by which the model is compared with every rule."""
LEGEND = """\
treated: correlation of treated profiles with the constant taken from both; explained: share of the
squared distance from the constant; retrieval: chance 0.5; change: correlation of changes with the
mean change taken from both and another control in the measured one; sign, AUPRC: of genes that
change; covered, width: 90 % interval of each gene; truth: treated, without noise (simulated); old:
correlation of changes per gene with one control in both, the measure before these, flattered."""


def perturbation(
    *,
    seeds: int = 3,
    recipes: Sequence[str] | None = None,
    file: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure the shipped recipes on held-out groups; every seed makes other folds.

    Parameters
    ----------
    recipes
        Some of `RECIPES`; all whose data are on this machine if None.
    file
        Table that the rows are written to after each seed; what it holds already is not
        measured again.

    Returns
    -------
    pandas.DataFrame
        One row per ``recipe``, ``task`` (change or response), ``method``, ``seed`` and
        ``measure``: means over held-out values; how far the model is ``ahead``, and the standard
        error ``se`` of that, with held-out values as units.
    """
    progress = progress or Progress(quiet=True)
    kept = Kept(file, ("recipe", "seed"))
    for recipe in recipes or RECIPES:
        if recipe not in RECIPES:
            raise RecipeError(f"unknown recipe {recipe!r}; known: {', '.join(RECIPES)}")
        missing = [seed for seed in range(seeds) if not kept.has(recipe, seed)]
        if not missing:
            continue
        plan = Plan.from_tables(tables_of(PIPELINES / f"{recipe}.toml"))
        try:
            samples = read(plan)
        except DataError as error:
            if recipes is not None:
                raise
            progress.say(f"left out: {error}")
            continue
        for seed in missing:
            with progress.stage(f"{recipe}, seed {seed}"):
                table = _measure(replace(plan, seed=seed), samples)
            kept.add(table.assign(recipe=recipe, seed=seed).reindex(columns=COLUMNS))
    return kept.rows()


def _measure(plan: Plan, samples: Samples) -> pd.DataFrame:
    """All folds of one seed."""
    drugs, folds = list(samples.units), range(samples.n_folds)
    jobs = [PairedJob(drug, fold, plan.seed) for drug in drugs for fold in folds]
    found = {job: train_pairs(plan, job, samples, device="cpu").found for job in jobs}
    tables = []
    if plan.has_pairs:
        tables.append(compared(changes(found), plan.model.name).assign(task=CHANGE))
    if plan.has_response:
        of_response = responses(predictions(found))[["method", "measure", "value"]]
        tables.append(of_response.assign(task=RESPONSE))
    return pd.concat(tables, ignore_index=True)


def print_perturbation(rows: pd.DataFrame) -> None:
    """A table per recipe and task, mean ± SD over seeds, and how far the model is ahead."""
    print(LEGEND, "", sep="\n")
    for (recipe, task), part in rows.groupby(["recipe", "task"], sort=False):
        measures = [measure for measure in HEADINGS if measure in set(part["measure"])]
        found = {
            key: of["value"].tolist() for key, of in part.groupby(["method", "measure"], sort=False)
        }
        cells = {
            str(method): [mean_sd(found.get((method, measure), [])) for measure in measures]
            for method in part["method"].unique()
        }
        what = "response, mean ± SD"
        if task == CHANGE:  # the spread over held-out values, below, is what counts
            what = "treated profiles, mean"
            cells = {name: [cell.split(" ")[0] for cell in of] for name, of in cells.items()}
        title = f"{recipe}: {what} of {part['seed'].nunique()} seeds"
        print_table(title, cells, [HEADINGS[measure] for measure in measures])
        model = str(part["method"].iloc[0])
        if task == CHANGE:
            _print_lead(part, model)
        else:
            print(*summarise(part.iloc[:0], part, model=model), "", sep="\n")


def _print_lead(part: pd.DataFrame, model: str) -> None:
    """How far the model is ahead of each rule: means over seeds of difference and error."""
    of_rules = part[part["method"].isin(RULES)]
    measures = [measure for measure in LEADING if measure in set(part["measure"])]
    mean = of_rules.groupby(["method", "measure"], sort=False)[["ahead", "se"]].mean()
    cells = {
        str(method): [
            f"{ahead:+.3f} ± {se:.3f}" + "*" * bool(abs(ahead) > ERRORS * se)
            for ahead, se in mean.loc[method].reindex(measures).to_numpy()
        ]
        for method in of_rules["method"].unique()
    }
    title = f"{model} ahead by (± standard error over held-out values; *: more than two)"
    print_table(title, cells, [HEADINGS[measure] for measure in measures])
    print()
