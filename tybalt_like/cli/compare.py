"""``tybalt-like compare``: finished runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli import completion
from tybalt_like.cli.options import Json, Overwrite


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN1 RUN2 ...",
            help="Folders of finished runs.",
            autocompletion=completion.runs,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to make; reports/comparisons/... if not given."),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Compare finished runs over the same samples on one page: samples on which they disagree,
    scores, encodings, and settings that differ. The first run is what others are set against."""
    from tybalt_like.run.compare import compare as execute
    from tybalt_like.run.terminal import print_summary

    out = out or Path("reports/comparisons") / "_".join(run.resolve().name for run in runs)
    execute(runs, out, overwrite=overwrite)
    print_summary(out, as_json=json)
