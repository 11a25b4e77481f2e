"""A plan becomes a run folder: one training after the other, then tables and a report."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tybalt_like import io, report
from tybalt_like.core import folders
from tybalt_like.core.provenance import reading_notes
from tybalt_like.core.settings import by_name
from tybalt_like.perturbation import prediction_tables as tables
from tybalt_like.perturbation.design import TABLE
from tybalt_like.perturbation.plan import PairedJob, Plan
from tybalt_like.perturbation.samples import Samples, read
from tybalt_like.perturbation.summary import summarise
from tybalt_like.perturbation.training import train_pairs
from tybalt_like.run.about import inputs_of, write_about
from tybalt_like.run.progress import Progress
from tybalt_like.study.store import Finished, Store, missing

FEW_HELD_OUT = 10
"""Fewer values that are held out in turn say little about others."""


def run(
    plan: Plan,
    out: Path,
    *,
    jobs: Path | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    inputs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> Path:
    """Carry out a plan and write its run folder, whole or not at all.

    Parameters
    ----------
    out
        The folder to make.
    jobs
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
    progress = progress or Progress(quiet=True)
    inputs = [*inputs, *plan.inputs(), *([] if jobs is None else [jobs])]
    tables_given = plan.to_tables()
    inputs_read = inputs_of(tables_given)
    with folders.whole_folder(
        out,
        kind=TABLE,
        settings={"recipe": by_name(tables_given), "inputs": inputs_read},
        inputs=inputs,
        resume=resume,
        overwrite=overwrite,
    ) as work:
        progress.steps = 3
        with progress.stage("Reading"):
            samples = _read(plan, progress)
        planned = plan.jobs(list(samples.units), samples.n_folds)
        store = Store(jobs or work / folders.JOBS)
        train(plan, planned, samples, store, device=device, progress=progress)
        with progress.stage("Drawing and writing"):
            if jobs is not None:
                _copy(planned, jobs, work / folders.JOBS)
            results = {job: store.load(job) for job in planned}
            _write(plan, samples, results, work, inputs=inputs_read, seconds=progress.seconds)
    return out / report.PAGE


def train(
    plan: Plan,
    jobs: Sequence[PairedJob],
    samples: Samples,
    store: Store,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> None:
    """Train those of `jobs` that are not in the store.

    Models that nothing is held out from are kept too, with their normalisers.
    """
    progress = progress or Progress(quiet=True)
    left = missing(jobs, store, plan.identity, progress)
    with progress.stage(f"Training {plan.model.name}"):
        for i, job in enumerate(left, 1):
            trained = train_pairs(plan, job, samples, device=device)
            if job.fold is None:
                store.folder.mkdir(parents=True, exist_ok=True)
                trained.model.save(store.folder / f"{job.name}.safetensors")
                trained.normaliser.save(store.folder / f"{job.name}.normaliser.json")
            store.save(job, trained.found, identity=plan.identity(job))
            about = trained.found.about
            said = f"{job.name}, {about['epochs']} epochs, {about['seconds']:.0f} s"
            progress.done(i, len(left), said)


def _read(plan: Plan, progress: Progress) -> Samples:
    samples = read(plan)
    for line in [*reading_notes(samples.adata), *samples.findings]:
        progress.say(line)
    for drug, found in samples.units.items():
        table = found.table
        known = int(table["response"].notna().sum())
        progress.say(
            f"{drug}: {int(table['is_pair'].sum())} pairs and {int((~table['is_pair']).sum())} "
            f"single samples of {table['group'].nunique()} groups; {known} responses known"
        )
    return samples


def _copy(jobs: Sequence[PairedJob], where: Path, to: Path) -> None:
    to.mkdir(exist_ok=True)
    for job in jobs:
        for path in where.glob(f"{job.name}.*"):
            shutil.copyfile(path, to / path.name)


def _write(
    plan: Plan,
    samples: Samples,
    results: Mapping[PairedJob, Finished],
    work: Path,
    *,
    inputs: Mapping[str, Any],
    seconds: Mapping[str, float],
) -> None:
    predicted = tables.predictions(results)
    responses = tables.responses(predicted) if len(predicted) else pd.DataFrame()
    changes = tables.changes(results)
    written = {
        "predictions.tsv.gz": predicted,
        "responses.tsv": responses,
        "changes.tsv": changes,
        "genes.tsv.gz": tables.genes(results),
        "latent.tsv.gz": tables.latents(results),
        "trainings.tsv": tables.trainings(results),
    }
    for name, table in written.items():
        if len(table):
            io.write_table(table.set_index(table.columns[0]), work / name)
    first = next(iter(results.values())).about
    write_about(
        work,
        kind=TABLE,
        name=plan.name,
        recipe=plan.to_tables(),
        seed=plan.seed,
        adata=samples.adata,
        summary=summarise(changes, responses, model=plan.model.name),
        warnings=_warnings(plan, samples),
        facts={
            "trainings": len(results),
            "parameters of the model": first["n_parameters"],
            "genes": first["n_genes"],
        },
        seconds=seconds,
        inputs=inputs,
        simulated=plan.simulation is not None,
        units=_units(samples),
        folds=samples.n_folds,
        is_binary=plan.is_binary,
        model={"name": plan.model.name},
    )
    report.build(work)


def _units(samples: Samples) -> dict[str, dict[str, int]]:
    return {
        drug: {
            "pairs": int(found.table["is_pair"].sum()),
            "single": int((~found.table["is_pair"]).sum()),
            "groups": int(found.table["group"].nunique()),
            "held_out": int(found.table["held_out"].nunique()),
            "known": int(found.table["response"].notna().sum()),
        }
        for drug, found in samples.units.items()
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
        if n < FEW_HELD_OUT:
            said.append(
                f"{drug}: only {n} values of {plan.design.held_out!r} are held out in turn; what "
                "holds for them may not hold for others."
            )
    return said
