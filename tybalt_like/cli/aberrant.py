"""``tybalt-like aberrant``: genes with aberrant counts in single samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from tybalt_like.cli.options import (
    GenesIn,
    Json,
    Overwrite,
    Quiet,
    RunOut,
    Seed,
    Threads,
    Tx2Gene,
    listed,
    use,
)
from tybalt_like.core.errors import RecipeError

if TYPE_CHECKING:
    from tybalt_like.aberrant.reference import LatentSize


def aberrant(
    matrix: Annotated[
        Path, typer.Argument(metavar="COUNTS", help="Raw counts of any known format.")
    ],
    obs: Annotated[Path | None, typer.Option(help="Sample table to join to them.")] = None,
    covariates: Annotated[
        str | None, typer.Option(help="Sample columns to control for, separated by commas.")
    ] = None,
    using: Annotated[
        Path | None, typer.Option(help="Folder of an earlier cohort to compare new samples with.")
    ] = None,
    out: RunOut = None,
    genes_in: GenesIn = "auto",
    tx2gene: Tx2Gene = None,
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
    from tybalt_like.run.progress import Progress
    from tybalt_like.run.terminal import print_summary

    use(threads)
    name = matrix.name.split(".")[0] or "counts"
    out = out or Path("reports/aberrant") / name
    execute(
        io.read(matrix, obs=obs, genes_in=genes_in, tx2gene=tx2gene),
        out,
        name=name,
        using=using,
        covariates=listed(covariates) if covariates else [],
        latent_size=latent_size,
        min_count=min_count,
        alpha=alpha,
        seed=seed or 0,
        overwrite=overwrite,
        inputs=[path for path in (matrix, obs, tx2gene) if path is not None],
        progress=Progress(quiet=quiet),
    )
    print_summary(out, as_json=json)


def _latent_size(text: str) -> LatentSize:
    if text in ("threshold", "injection"):
        return cast("LatentSize", text)
    if not text.isdecimal():
        raise RecipeError(f"--latent-dim {text!r}: write threshold, injection or a number")
    return int(text)
