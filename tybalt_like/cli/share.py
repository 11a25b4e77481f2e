"""``tybalt-like push`` and ``pull``: a finished run, handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli.options import Finished, Overwrite


def push(
    run_dir: Finished,
    dest: Annotated[
        str, typer.Argument(metavar="DEST", help="Folder to make, or hf://OWNER/NAME.")
    ],
    licence: Annotated[
        str,
        typer.Option("--licence", "--license", help="As Hugging Face calls it: cc-by-4.0, mit."),
    ] = "unknown",
    with_profiles: Annotated[
        bool,
        typer.Option("--with-profiles", help="Hand on the expression of samples that it holds."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Hand a finished run on as a model repository: its files, a card, and the SHA-256 of each.

    Whoever pulls it scores new samples with it. Through hf:// it becomes one commit on the hub of
    Hugging Face; a repository that is made for it is private.
    """
    from tybalt_like.run.share import push as execute

    held = execute(run_dir, dest, licence=licence, with_profiles=with_profiles, overwrite=overwrite)
    if held:
        typer.echo(f"note: {dest} holds the expression of samples: {', '.join(held)}", err=True)
    print(dest)


def pull(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="What was pushed: folder, or hf://OWNER/NAME.")
    ],
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="Folder to make.")],
    overwrite: Overwrite = False,
) -> None:
    """Fetch a run that was pushed; every file is held to its SHA-256."""
    from tybalt_like.run.share import pull as execute

    print(execute(source, dest, overwrite=overwrite))
