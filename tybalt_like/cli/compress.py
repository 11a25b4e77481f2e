"""``tybalt-like compress``: latent spaces of many sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli.options import Change, Device, Quiet, Threads, shipped, use


def compress(
    recipe: Annotated[
        Path,
        typer.Argument(help="TOML recipe with a table 'compression', or a shipped one's name."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder of the results; reports/compression/NAME if none."
        ),
    ] = None,
    cell: Annotated[
        str | None, typer.Option(help="Train this one only: model,k,seed, such as pca,20,0.")
    ] = None,
    collect: Annotated[
        bool, typer.Option("--collect", help="Only write tables and figures of finished cells.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="Only print the cells, one a line.")] = False,
    change: Change = None,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Compare latent spaces of many sizes, seeds and models, as BioBombe does.

    Trains the cells that are missing, then draws reconstruction, probes, stability and gene-set
    coverage against k. On a cluster, pipelines/Snakefile trains each cell as a job.
    """
    from tybalt_like.core.toml import changed, tables_of
    from tybalt_like.run.progress import Narrator
    from tybalt_like.study import compression

    use(threads)
    file = shipped(recipe)
    tables = changed(compression.beside(file, tables_of(file)), change or [])
    plan = compression.Plan.from_tables(tables)
    out = out or Path("reports/compression") / plan.name
    if show:
        print(*plan.cells(), sep="\n")
        return
    narrator = Narrator(quiet=quiet)
    if not collect:
        cells = list(plan.cells()) if cell is None else [plan.cell(cell)]
        compression.train(plan, cells, out, device=device, inputs=[file], narrator=narrator)
    if cell is None:
        print(compression.collect(plan, out))
