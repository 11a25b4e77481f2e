"""``tybalt-like bundle``: a finished run as one file to mail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli.options import Finished


def bundle(
    run_dir: Finished,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Zip to write; RUN.zip beside the folder if not given."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="With model and matrix: to score new samples elsewhere.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the zip.")] = False,
) -> None:
    """Pack the page, figures and tables of a finished run of any kind for mailing; the files that
    the page names are links in it."""
    from tybalt_like.run.bundle import bundle as execute
    from tybalt_like.run.bundle import size

    found = execute(run_dir, out, everything=everything, overwrite=overwrite)
    print(f"{found.path}: {size(found.size)}")
    print(f"holds: {', '.join(f'{kind} {size(n)}' for kind, n in found.held.items())}")
    for kind, n in found.left_out.items():
        print(f"left out: {kind}, {size(n)} (--all)")
    typer.echo(f"note: {found.discloses}", err=True)
