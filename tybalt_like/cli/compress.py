"""``tybalt-like compress``: latent spaces of many sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli import completion
from tybalt_like.cli.options import (
    Change,
    Device,
    List,
    Overwrite,
    Quiet,
    RunOut,
    Threads,
    shipped,
    use,
)


def compress(
    recipe: Annotated[
        Path,
        typer.Argument(
            help="TOML recipe with a table 'compression', or a shipped one's name.",
            autocompletion=completion.recipes,
        ),
    ],
    out: RunOut = None,
    job: Annotated[
        str | None, typer.Option("--job", "--cell", help="Only train this one; see --list.")
    ] = None,
    collect: Annotated[
        bool, typer.Option("--collect", help="Only write tables and figures of finished trainings.")
    ] = False,
    show: List = False,
    change: Change = None,
    device: Device = "auto",
    threads: Threads = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Compare latent spaces of many sizes, seeds and models, as BioBombe does.

    Does what `run` does with such a recipe: trains what is missing, then draws reconstruction,
    probes, stability and gene-set coverage against k. On a cluster, pipelines/Snakefile trains
    each space as a job.
    """
    from tybalt_like.core.toml import changed, tables_of
    from tybalt_like.run.progress import Progress
    from tybalt_like.study import compression
    from tybalt_like.study.kind import CompressionKind
    from tybalt_like.study.store import named

    use(threads)
    file = shipped(recipe)
    plan = compression.Plan.from_tables(changed(tables_of(file), change or []))
    out = out or Path(CompressionKind.folder) / plan.name
    if show:
        print(*(one.name for one in plan.jobs()), sep="\n")
        return
    if not collect:
        jobs = plan.jobs() if job is None else [named(plan.jobs(), job)]
        compression.train(
            plan,
            jobs,
            out,
            device=device,
            overwrite=overwrite,
            inputs=[file],
            progress=Progress(quiet=quiet),
        )
    if job is None:
        print(compression.collect(plan, out))
