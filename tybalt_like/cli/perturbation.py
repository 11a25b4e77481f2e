"""``tybalt-like perturbation``: profiles before and after treatment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli import completion
from tybalt_like.cli.options import (
    Change,
    Device,
    Json,
    List,
    Overwrite,
    Quiet,
    Resume,
    RunOut,
    Seed,
    Threads,
    shipped,
    use,
)
from tybalt_like.core.errors import RecipeError


def perturbation(
    recipe: Annotated[
        Path,
        typer.Argument(
            help="TOML recipe with a table 'perturbation', or a shipped one's name.",
            autocompletion=completion.recipes,
        ),
    ],
    out: RunOut = None,
    jobs: Annotated[
        Path | None,
        typer.Option("--jobs", "--cells", help="Folder of finished trainings, to read and add to."),
    ] = None,
    job: Annotated[
        str | None,
        typer.Option("--job", "--cell", help="Only train this one, into --jobs; see --list."),
    ] = None,
    show: List = False,
    change: Change = None,
    seed: Seed = None,
    device: Device = "auto",
    threads: Threads = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Profiles before and after treatment, and the response: PertVAE, SSVAE, Dr.VAE.

    Does what `run` does with such a recipe. On a cluster, pipelines/Snakefile trains each drug,
    fold and seed as a job (--job) and then collects them (--jobs).
    """
    from tybalt_like.core.toml import changed, tables_of
    from tybalt_like.perturbation import Plan, analysis, read
    from tybalt_like.perturbation.kind import PairedRun
    from tybalt_like.run.progress import Progress
    from tybalt_like.run.terminal import print_summary
    from tybalt_like.study.store import Store, named

    use(threads)
    file, progress = shipped(recipe), Progress(quiet=quiet)
    tables = changed(tables_of(file), change or [])
    plan = Plan.from_tables(tables if seed is None else tables | {"seed": seed})
    if not (show or job):
        out = out or Path(PairedRun.folder) / plan.name
        analysis.run(
            plan,
            out,
            jobs=jobs,
            device=device,
            resume=resume,
            overwrite=overwrite,
            inputs=[file],
            progress=progress,
        )
        print_summary(out, as_json=json)
        return
    samples = read(plan)
    planned = plan.jobs(list(samples.units), samples.n_folds)
    if show:
        print(*(one.name for one in planned), sep="\n")
        return
    if jobs is None:
        raise RecipeError("--job needs --jobs, the folder to train it into")
    chosen = [named(planned, str(job))]
    analysis.train(plan, chosen, samples, Store(jobs), device=device, progress=progress)
