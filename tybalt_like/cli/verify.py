"""``tybalt-like verify``: whether a finished run comes out the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli.options import Finished, Quiet, use


def verify(
    run_dir: Finished,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="File that the run was made from, or a folder that holds such; may be given again."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or mps; the run's if not given.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; the run's if not given.", min=1)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Carry out a finished run again, and compare: exit code 1 and the first difference if it
    comes out otherwise.

    With the versions, device, threads and kind of machine of the run everything has to be the same
    to the last digit; otherwise scores, p-values and latent features within bounds, and the calls.
    """
    from tybalt_like.report import about_of
    from tybalt_like.run.progress import Progress
    from tybalt_like.run.verify import verify as execute

    use(threads or about_of(run_dir).get("threads"))
    found = execute(run_dir, data=data or (), device=device, progress=Progress(quiet=quiet))
    for sentence in [*found.elsewhere, *found.off]:
        print(sentence)
    if found.differs is not None:
        print(f"not the same: {found.differs}")
        raise typer.Exit(1)
    how = "within bounds, and the calls are the same" if found.elsewhere else "to the last digit"
    print(f"the same {how}: {len(found.compared)} files compared")
