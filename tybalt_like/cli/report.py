"""``tybalt-like report``: the page of a finished run, again, or in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tybalt_like.cli.options import Finished, Overwrite
from tybalt_like.core.errors import RecipeError


def report(
    run_dir: Finished,
    portable: Annotated[
        bool, typer.Option("--portable", help="Let the page score files that are dropped onto it.")
    ] = False,
    without_profiles: Annotated[
        bool,
        typer.Option(
            "--without-profiles",
            help="With --portable: no expression of reference samples goes in, views that need it "
            "are left out of the score.",
        ),
    ] = False,
    anonymous: Annotated[
        bool,
        typer.Option(
            "--anonymous",
            help="Write another folder, without names of samples and columns of the sample table.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="That folder; RUN_anonymous if not given."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Build the report of a finished run of any kind again."""
    from tybalt_like.report import PAGE, build
    from tybalt_like.run.anonymous import anonymise
    from tybalt_like.run.portable import make_plain, make_portable

    if without_profiles and not portable:
        raise RecipeError("--without-profiles says what --portable leaves out; give both")
    if portable and anonymous:
        raise RecipeError("--portable holds what was learned from samples; --anonymous cannot")
    if (out or overwrite) and not anonymous:
        raise RecipeError("--out and --overwrite are for --anonymous; a page stays in its folder")
    if anonymous:
        beside = run_dir.resolve().with_name(f"{run_dir.resolve().name}_anonymous")
        print(anonymise(run_dir, out or beside, overwrite=overwrite))
        return
    if portable:
        made = make_portable(run_dir, profiles=not without_profiles)
        page = run_dir / PAGE
        megabytes = f"{made.n_bytes / 1e6:.1f} of {page.stat().st_size / 1e6:.1f} MB"
        typer.echo(f"The page scores new samples ({megabytes}). {made.disclosed}", err=True)
        print(page)
        return
    make_plain(run_dir)
    print(build(run_dir))
