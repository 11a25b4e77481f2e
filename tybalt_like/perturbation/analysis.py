"""A plan becomes a run folder: one training after the other, then tables and a report."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from tybalt_like import io
from tybalt_like.core import files
from tybalt_like.core.errors import RecipeError
from tybalt_like.perturbation import prediction_tables as tables
from tybalt_like.perturbation.plan import TABLE, Cell, Plan
from tybalt_like.perturbation.samples import Samples, read
from tybalt_like.perturbation.summary import verdict
from tybalt_like.perturbation.training import Outcome, is_done, make
from tybalt_like.run import folder
from tybalt_like.run.progress import Narrator

SCHEMA = 1
CELLS = files.JOBS
LIBRARIES = ("tybalt-like", "torch", "numpy", "pandas", "scikit-learn", "anndata")
REPORT = "report.html"


def run(
    plan: Plan,
    out: Path,
    *,
    cells: Path | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    inputs: Iterable[Path] = (),
    narrator: Narrator | None = None,
) -> Path:
    """Carry out a plan and write its run folder, whole or not at all.

    Parameters
    ----------
    out
        The folder to make.
    cells
        Folder with finished trainings, to which missing ones are added; inside `out` if None.
    resume
        Go on with an interrupted run, if there is one.
    overwrite
        Replace `out` if it exists.
    inputs
        Further files that `out` must not hold, such as the recipe's own.

    Returns
    -------
    pathlib.Path
        The report.

    Raises
    ------
    TybaltLikeError
        One clear sentence about what is wrong with the input, the recipe or the folder.
    """
    narrator = narrator or Narrator(quiet=True)
    inputs = [*inputs, *plan.inputs(), *([] if cells is None else [cells])]
    with files.whole_folder(
        out,
        kind=TABLE,
        settings=plan.to_tables(),
        inputs=inputs,
        resume=resume,
        overwrite=overwrite,
    ) as work:
        with narrator.stage("Reading"):
            samples = _read(plan, narrator)
        planned = list(plan.cells(list(samples.units), samples.n_folds))
        where = cells or work / CELLS
        train(plan, planned, samples, where, device=device, narrator=narrator)
        with narrator.stage("Drawing and writing"):
            outcomes = {cell: Outcome.load(where / f"{cell.name}.npz") for cell in planned}
            if cells is not None:
                _copy_models(planned, cells, work / CELLS)
            _write(plan, samples, outcomes, work, seconds=narrator.seconds)
    return out / REPORT


def train(
    plan: Plan,
    cells: Sequence[Cell],
    samples: Samples,
    where: Path,
    *,
    device: str = "auto",
    narrator: Narrator | None = None,
) -> None:
    """Train those of `cells` whose files are missing; each becomes ``where/<name>.npz``.

    Models that nothing is held out from are kept too, with their normalisers.
    """
    narrator = narrator or Narrator(quiet=True)
    where.mkdir(parents=True, exist_ok=True)
    missing = [c for c in cells if not is_done(where / f"{c.name}.npz", plan.identity(c))]
    if len(missing) < len(cells):
        narrator.say(f"{len(cells) - len(missing)} of {len(cells)} trainings are done already")
    if not missing:
        return
    with narrator.stage(f"Training {plan.model_name}, {len(missing)} times"):
        for i, cell in enumerate(missing, 1):
            made = make(plan, cell, samples, device=device)
            if cell.fold is None:
                made.model.save(where / f"{cell.name}.safetensors")
                made.normaliser.save(where / f"{cell.name}.normaliser.json")
            made.outcome.save(where / f"{cell.name}.npz")
            about = made.outcome.about
            narrator.say(
                f"{i} of {len(missing)}: {cell.name}, {about['epochs']} epochs, "
                f"{about['seconds']:.0f} s"
            )


def named(plan: Plan, samples: Samples, name: str) -> Cell:
    """The cell of that name.

    Raises
    ------
    RecipeError
        If it is not in the plan.
    """
    known = {cell.name: cell for cell in plan.cells(list(samples.units), samples.n_folds)}
    if name not in known:
        raise RecipeError(f"--cell {name}: not in this recipe; --list shows those that are")
    return known[name]


def _read(plan: Plan, narrator: Narrator) -> Samples:
    samples = read(plan)
    for line in samples.findings:
        narrator.say(line)
    for drug, found in samples.units.items():
        table = found.table
        known = int(table["response"].notna().sum())
        narrator.say(
            f"{drug}: {int(table['is_pair'].sum())} pairs and {int((~table['is_pair']).sum())} "
            f"single samples of {table['group'].nunique()} groups; {known} responses known"
        )
    return samples


def _copy_models(cells: Sequence[Cell], where: Path, to: Path) -> None:
    to.mkdir(exist_ok=True)
    for cell in cells:
        for path in where.glob(f"{cell.name}.*"):
            (to / path.name).write_bytes(path.read_bytes())


def _write(
    plan: Plan,
    samples: Samples,
    outcomes: Mapping[Cell, Outcome],
    work: Path,
    *,
    seconds: dict[str, float],
) -> None:
    from tybalt_like.report.perturbation import build

    predicted = tables.predictions(outcomes)
    responses = tables.responses(predicted) if len(predicted) else pd.DataFrame()
    changes = tables.changes(outcomes)
    written = {
        "predictions.tsv.gz": predicted,
        "responses.tsv": responses,
        "changes.tsv": changes,
        "genes.tsv.gz": tables.genes(outcomes),
        "latent.tsv.gz": tables.latents(outcomes),
        "trainings.tsv": tables.trainings(outcomes),
    }
    for name, table in written.items():
        if len(table):
            io.write_table(table.set_index(table.columns[0]), work / name)
    said = verdict(changes, responses, model=plan.model_name)
    about = _about(plan, samples, outcomes, verdict=said, seconds=seconds)
    (work / folder.ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    build(work)


def _about(
    plan: Plan,
    samples: Samples,
    outcomes: Mapping[Cell, Outcome],
    *,
    verdict: list[str],
    seconds: dict[str, float],
) -> dict[str, Any]:
    first = next(iter(outcomes.values())).about
    units = {
        drug: {
            "pairs": int(found.table["is_pair"].sum()),
            "single": int((~found.table["is_pair"]).sum()),
            "groups": int(found.table["group"].nunique()),
            "held_out": int(found.table["held_out"].nunique()),
            "known": int(found.table["response"].notna().sum()),
        }
        for drug, found in samples.units.items()
    }
    return {
        "schema": SCHEMA,
        "kind": TABLE,
        "name": plan.name,
        "recipe": plan.to_tables(),
        "seed": plan.seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "reading": samples.reading,
        "findings": samples.findings,
        "simulated": plan.simulation is not None,
        "units": units,
        "folds": samples.n_folds,
        "is_binary": plan.is_binary,
        "model": {
            "name": plan.model_name,
            "n_parameters": first["n_parameters"],
            "n_genes": first["n_genes"],
        },
        "verdict": verdict,
        "warnings": _warnings(plan, samples),
        "seconds": seconds,
    }


def _warnings(plan: Plan, samples: Samples) -> list[str]:
    said = [f"{drug}: {note}." for drug, of in samples.units.items() for note in of.notes]
    if plan.simulation is not None:
        said.insert(0, "These data are simulated; nothing here was measured.")
    shared = [drug for drug, found in samples.units.items() if found.shared_n.any()]
    if shared:
        said.append(
            "Controls serve samples of several held-out values; each fold has controls of its "
            f"own, but {plan.design.group} is the same in training and test."
        )
    for drug, found in samples.units.items():
        n = found.table["held_out"].nunique()
        if n < 10:
            said.append(
                f"{drug}: only {n} values of {plan.design.held_out!r} are held out in turn; what "
                "holds for them may not hold for others."
            )
    return said
