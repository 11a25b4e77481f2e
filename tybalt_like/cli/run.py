"""``tybalt-like run``: a recipe of any kind, or a matrix, to a report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tybalt_like.cli import completion
from tybalt_like.cli.options import (
    Change,
    Device,
    GenesOfInterest,
    Json,
    Obs,
    Overwrite,
    Quiet,
    Resume,
    RunOut,
    Seed,
    Threads,
    Verbose,
    execute,
    reads,
    shipped,
)
from tybalt_like.core.errors import RecipeError


@reads
def run(
    reading: Mapping[str, Any],
    recipe: Annotated[
        Path | None,
        typer.Argument(
            help="TOML recipe, or the name of one that is shipped.",
            autocompletion=completion.recipes,
        ),
    ] = None,
    matrix: Annotated[
        Path | None, typer.Option("--data", help="Expression matrix, instead of a recipe's.")
    ] = None,
    obs: Obs = None,
    label: Annotated[str | None, typer.Option(help="Column that names the groups.")] = None,
    normal: Annotated[
        list[str] | None,
        typer.Option(help="Reference labels, with commas or one by one; all if not given."),
    ] = None,
    anomaly: Annotated[
        list[str] | None,
        typer.Option(help="Labels that should be found, with commas or one by one."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Column whose samples stay together, such as the patient or the batch."),
    ] = None,
    genes_of_interest: GenesOfInterest = None,
    out: RunOut = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile of the recipe, such as quick.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look: PCA, not judged; one kind of map.")
    ] = False,
    change: Change = None,
    seed: Seed = None,
    device: Device = "auto",
    threads: Threads = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """From an expression matrix, or a recipe of any kind, to a report.

    A recipe with a table "sweep", "compression" or "perturbation" is carried out as such.
    """
    if recipe is None and matrix is None:
        raise RecipeError("give a recipe or --data with an expression matrix")
    from tybalt_like.core.toml import tables_of

    tables: dict[str, Any] = {"name": matrix.name.split(".")[0] if matrix else ""}
    if recipe is not None:
        tables = tables_of(shipped(recipe), profile=profile)
    source = _source(matrix, obs, label, normal, anomaly, reading)
    if source and ("perturbation" in tables or "simulation" in tables):
        raise RecipeError("a recipe with [perturbation] takes its data from the recipe alone")
    if source:
        kept = dict(tables.get("data", {}))
        if matrix is not None:
            kept.pop("dataset", None)
        tables["data"] = kept | source
    if group is not None:
        tables["split"] = dict(tables.get("split", {})) | {"group": group}
    if genes_of_interest is not None:
        scores = {"genes_of_interest": str(genes_of_interest)}
        tables["scores"] = dict(tables.get("scores", {})) | scores
    if quick:
        from tybalt_like.run.recipe import first_look

        tables = first_look(tables)
    execute(
        tables,
        change,
        seed=seed,
        out=out,
        recipe=recipe,
        device=device,
        threads=threads,
        resume=resume,
        overwrite=overwrite,
        quiet=quiet,
        json=json,
        verbose=verbose,
    )


def _source(
    matrix: Path | None,
    obs: Path | None,
    label: str | None,
    normal: list[str] | None,
    anomaly: list[str] | None,
    reading: Mapping[str, Any],
) -> dict[str, Any]:
    """What the options say of the data."""
    named = {"path": matrix, "obs": obs, "label": label}
    source: dict[str, Any] = {key: str(value) for key, value in named.items() if value is not None}
    groups = {"normal": normal, "anomalies": anomaly}
    source |= {key: texts for key, texts in groups.items() if texts}
    return source | dict(reading)
