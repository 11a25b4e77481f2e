"""``tybalt-like benchmark``: tables over seeds, always beside the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli.options import Quiet, Threads, use

benchmark = typer.Typer(help="Measure the detectors beside their baselines.", no_args_is_help=True)


@benchmark.command()
def brca(
    seeds: Annotated[int, typer.Option(help="Number of seeds, from 0.", min=1)] = 5,
    json: Annotated[Path | None, typer.Option(help="Also write every row to this file.")] = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Luminal breast cancer learned; basal-like and HER2-enriched found."""
    from tybalt_like.benchmark import brca as measure
    from tybalt_like.benchmark import print_table
    from tybalt_like.progress import Narrator

    use(threads)
    rows = measure(seeds=seeds, narrator=Narrator(quiet=quiet))
    if json is not None:
        rows.to_json(json, orient="records", indent=1)
    print_table(rows)
