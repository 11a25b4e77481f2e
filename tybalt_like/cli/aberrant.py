"""``tybalt-like aberrant``: genes with aberrant counts in single samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from tybalt_like.cli.options import (
    Json,
    Obs,
    Overwrite,
    Quiet,
    RunOut,
    Seed,
    Threads,
    files_in,
    listed,
    reads,
    use,
)
from tybalt_like.core.errors import RecipeError

if TYPE_CHECKING:
    from tybalt_like.aberrant.reference import LatentSize


@reads
def aberrant(
    matrix: Annotated[
        Path, typer.Argument(metavar="COUNTS", help="Raw counts of any known format.")
    ],
    reading: Mapping[str, Any],
    obs: Obs = None,
    covariates: Annotated[
        str | None, typer.Option(help="Sample columns to control for, separated by commas.")
    ] = None,
    using: Annotated[
        Path | None, typer.Option(help="Folder of an earlier cohort to compare new samples with.")
    ] = None,
    out: RunOut = None,
    min_count: Annotated[
        int, typer.Option(help="Genes need so many counts in half of the samples.", min=1)
    ] = 10,
    latent_dim: Annotated[
        str,
        typer.Option(
            help="Hidden factors: threshold (optimal hard threshold), injection, or a number."
        ),
    ] = "threshold",
    alpha: Annotated[
        float, typer.Option(help="Largest adjusted p-value of an aberrant count.")
    ] = 0.05,
    seed: Seed = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Find genes whose counts are aberrant in single samples.

    The samples are their own reference. With --using, new samples are compared with a cohort that
    was fitted before: each by itself, and nothing of the cohort changes.
    """
    latent_size = _latent_size(latent_dim)
    if using is not None and covariates:
        raise RecipeError("--covariates are those of the cohort named by --using; leave them out")
    from tybalt_like import io
    from tybalt_like.aberrant import aberrant as execute
    from tybalt_like.report import about_of
    from tybalt_like.run.progress import Progress
    from tybalt_like.run.terminal import print_summary

    use(threads)
    name = matrix.name.split(".")[0] or "counts"
    out = out or Path("reports/aberrant") / name
    usual = about_of(using)["reading"].get("parts") if using is not None else None
    execute(
        io.read(matrix, obs=obs, usual=usual, **reading),
        out,
        name=name,
        using=using,
        covariates=listed(covariates) if covariates else [],
        latent_size=latent_size,
        min_count=min_count,
        alpha=alpha,
        seed=seed or 0,
        overwrite=overwrite,
        inputs=[matrix, *([] if obs is None else [obs]), *files_in(reading)],
        progress=Progress(quiet=quiet),
    )
    print_summary(out, as_json=json)


def _latent_size(text: str) -> LatentSize:
    if text in ("threshold", "injection"):
        return cast("LatentSize", text)
    if not text.isdecimal():
        raise RecipeError(f"--latent-dim {text!r}: write threshold, injection or a number")
    return int(text)
