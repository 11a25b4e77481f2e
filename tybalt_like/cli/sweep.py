"""``tybalt-like sweep``: many trainings of one recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli.options import Change, Device, Quiet, Threads, shipped, use


def sweep(
    recipe: Annotated[
        Path, typer.Argument(help="TOML recipe with a table 'sweep', or the name of a shipped one.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the study; reports/sweeps/NAME if not given."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Number of draws, for the samplers tpe and random.", min=1)
    ] = None,
    change: Change = None,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train a recipe with many settings and write the best as a recipe.

    The same command in several processes, on one machine or many that share the folder, divides
    the work; repeated, it goes on where it was interrupted.
    """
    from tybalt_like.core.toml import changed, tables_of
    from tybalt_like.run.progress import Narrator
    from tybalt_like.study.sweep import sweep as carry_out

    use(threads)
    tables = changed(tables_of(shipped(recipe)), change or [])
    if trials is not None:
        tables.setdefault("sweep", {})["trials"] = trials
    out = out or Path("reports/sweeps") / tables["name"]
    inputs = [shipped(recipe)]
    best = carry_out(tables, out, device=device, inputs=inputs, narrator=Narrator(quiet=quiet))
    if best is not None:
        print(best)
