"""``tybalt-like data``: named data sets, and how a file is understood."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tybalt_like.cli import completion
from tybalt_like.cli.options import Obs, reads

Name = Annotated[str, typer.Argument(autocompletion=completion.datasets)]

data = typer.Typer(help="Named data sets.", no_args_is_help=True)


@data.command("list")
def data_list() -> None:
    """The data sets that can be named in a recipe."""
    from tybalt_like.io import datasets

    for name, entry in datasets.registry().items():
        print(f"{name}\t{entry.title}")


@data.command()
def fetch(name: Name) -> None:
    """Bring a data set onto this machine and print where it is."""
    from tybalt_like.io import datasets

    print(datasets.fetch(name))


@data.command()
@reads
def inspect(
    matrix: Annotated[Path, typer.Argument(help="File, folder, or - for stdin.")],
    reading: Mapping[str, Any],
    obs: Obs = None,
) -> None:
    """Say how an expression file was understood: orientation, shape, scale, what is odd."""
    from tybalt_like import io, pp
    from tybalt_like.core.provenance import reading_notes, recorded

    adata = io.read(matrix, obs=obs, **reading)
    about = recorded(adata)["reading"]
    print(f"{about['source']}: {about['format']}")
    for line in [*reading_notes(adata), *pp.inspect(adata).lines()]:
        print(f"  {line}")
    if len(adata.obs.columns):
        print(f"  sample columns: {', '.join(map(str, adata.obs.columns))}")


@data.command()
def path(name: Name) -> None:
    """Print where a data set is, without downloading it."""
    from tybalt_like.io import datasets

    print(datasets.path(name))
