"""``tybalt-like sweep``: many trainings of one recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli import completion
from tybalt_like.cli.options import (
    Change,
    Device,
    Overwrite,
    Quiet,
    RunOut,
    Threads,
    execute,
    shipped,
)
from tybalt_like.core.errors import RecipeError


def sweep(
    recipe: Annotated[
        Path,
        typer.Argument(
            help="TOML recipe with a table 'sweep', or the name of a shipped one.",
            autocompletion=completion.recipes,
        ),
    ],
    out: RunOut = None,
    trials: Annotated[
        int | None, typer.Option(help="Number of draws, for the samplers tpe and random.", min=1)
    ] = None,
    change: Change = None,
    device: Device = "auto",
    threads: Threads = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Train a recipe with many settings and write the best as a recipe.

    Does what `run` does with such a recipe. The same command in several processes, on one machine
    or many that share the folder, divides the work; repeated, it goes on where it was interrupted.
    """
    from tybalt_like.core.toml import tables_of, with_values

    tables = tables_of(shipped(recipe))
    if "sweep" not in tables:
        raise RecipeError("a sweep needs the tables [sweep] and [sweep.space]")
    if trials is not None:
        tables = with_values(tables, {"sweep.trials": trials})
    execute(
        tables,
        change,
        out=out,
        recipe=recipe,
        device=device,
        threads=threads,
        overwrite=overwrite,
        quiet=quiet,
    )
