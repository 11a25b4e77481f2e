"""Options that several commands share."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tybalt_like.cli import completion
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.files import check_file
from tybalt_like.core.shipped import PIPELINES

if TYPE_CHECKING:
    import pandas as pd

Threads = Annotated[int | None, typer.Option(help="CPU threads; all if not given.", min=1)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print results only.")]
Finished = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="Folder of a finished run.", autocompletion=completion.runs),
]
RunDir = Annotated[
    Path,
    typer.Option("--run", help="Folder of a finished run.", autocompletion=completion.runs),
]
Matrix = Annotated[Path, typer.Argument(help="Expression matrix of the new samples.")]
GenesOfInterest = Annotated[
    Path | None,
    typer.Option(help="Genes that matter more, one a line: found more easily, shown first."),
]
OutTable = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="TSV file to write; standard output if not given."),
]
Change = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting: model.latent_dim=50")
]
Seed = Annotated[int | None, typer.Option(help="Feeds everything random.", min=0)]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with an interrupted run, or start it.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what this package wrote there before.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Print all sentences, and how well each score detects.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
RunOut = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder of the results; reports/.../NAME if not given."),
]
List = Annotated[bool, typer.Option("--list", help="Only print the trainings, one a line.")]

Obs = Annotated[Path | None, typer.Option(help="Sample table to join to the matrix.")]


def _of_matrix(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel="How to read the matrix")


READING: dict[str, tuple[Any, Any]] = {
    "genes_in": (
        Annotated[Literal["auto", "rows", "columns"], _of_matrix("Where the genes are.")],
        "auto",
    ),
    "layer": (
        Annotated[str | None, _of_matrix("Layer of an h5ad, zarr, h5mu or loom in place of X.")],
        None,
    ),
    "use_raw": (
        Annotated[bool, _of_matrix(".raw of an h5ad, with its genes, in place of X.", "--use-raw")],
        False,
    ),
    "modality": (
        Annotated[str | None, _of_matrix("Which of an h5mu; rna if not given.")],
        None,
    ),
    "tx2gene": (
        Annotated[
            str | None,
            _of_matrix("GTF, GFF3 or table by which transcripts are summed to genes.", "--tx2gene"),
        ],
        None,
    ),
}
"""Type and default of every option of `io.Options` that commands have."""


def reads(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `READING`; those that were given reach it as ``reading``."""

    @functools.wraps(command)
    def with_options(**kwargs: Any) -> None:
        chosen = {name: kwargs.pop(name) for name in READING}
        given = {name: value for name, value in chosen.items() if value != READING[name][1]}
        command(**kwargs, reading=given)

    own = inspect.signature(command, eval_str=True)
    kept = [one for one in own.parameters.values() if one.name != "reading"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
        for name, (hint, default) in READING.items()
    ]
    with_options.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    return with_options


def files_in(reading: Mapping[str, Any]) -> list[Path]:
    """The files that options name."""
    return [Path(reading[name]) for name in ("tx2gene",) if name in reading]


def say_notes(adata: Any) -> None:
    """Print on standard error how a matrix was read."""
    from tybalt_like.core.provenance import reading_notes

    say(reading_notes(adata))


def say(notes: Sequence[str]) -> None:
    """Print notes on standard error."""
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def check_out(out: Path | None, *inputs: Path) -> None:
    """Find out before the work whether a table can be written."""
    if out is not None:
        check_file(out, inputs=inputs)


def emit(table: pd.DataFrame, out: Path | None) -> None:
    """Write a table, to standard output if there is no place for it."""
    from tybalt_like.io.write import defused, shortened, write_table

    if out is None:
        defused(shortened(table)).to_csv(sys.stdout, sep="\t")
    else:
        write_table(shortened(table), out)


def shipped(recipe: Path) -> Path:
    """The file itself, or the shipped recipe of that name.

    Raises
    ------
    RecipeError
        If there is neither; it lists those that are shipped.
    """
    if recipe.exists():
        return recipe
    known = {path.stem: path for path in sorted(PIPELINES.glob("*.toml"))}
    name = recipe.name.removesuffix(".toml")
    if name not in known:
        raise RecipeError(
            f"{recipe}: no such recipe file, and none of that name is shipped; shipped: "
            f"{', '.join(known)}"
        )
    return known[name]


def use(threads: int | None) -> None:
    """Let torch, and what numba compiles, have that many threads."""
    if threads is not None:
        os.environ["NUMBA_NUM_THREADS"] = str(threads)
        import torch

        torch.set_num_threads(threads)


def listed(text: str) -> list[str]:
    """The parts of a text that commas separate."""
    return [part.strip() for part in text.split(",")]


def execute(
    tables: Mapping[str, Any],
    change: Sequence[str] | None,
    *,
    seed: int | None = None,
    out: Path | None,
    recipe: Path | None,
    device: str,
    threads: int | None,
    resume: bool = False,
    overwrite: bool,
    quiet: bool,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Carry out the tables of a recipe of any kind, with changes to them."""
    from tybalt_like.core.toml import changed
    from tybalt_like.run.kind import Options, RecipeKind
    from tybalt_like.run.progress import Progress

    use(threads)
    chosen = changed(tables, change or [])
    if seed is not None:
        chosen["seed"] = seed
    kind = RecipeKind.of(chosen)
    options = Options(
        device=device,
        resume=resume,
        overwrite=overwrite,
        inputs=() if recipe is None else (shipped(recipe),),
        progress=Progress(quiet=quiet),
        as_json=json,
        verbose=verbose,
    )
    kind.execute(chosen, out or Path(kind.folder) / str(chosen["name"]), options)
