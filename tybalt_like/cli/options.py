"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

Threads = Annotated[int | None, typer.Option(help="CPU threads; all if not given.", min=1)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print results only.")]
RunDir = Annotated[Path, typer.Option("--run", help="Folder of a finished run.")]
Matrix = Annotated[Path, typer.Argument(help="Expression matrix of the new samples.")]
GenesIn = Annotated[Literal["auto", "rows", "columns"], typer.Option(help="Where the genes are.")]
OutTable = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="TSV file to write; standard output if not given."),
]
Change = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting: model.latent_dim=50")
]


def shipped(recipe: Path) -> Path:
    """The file itself, or the shipped recipe of that name."""
    from tybalt_like.io.datasets import PIPELINES

    inside = PIPELINES / f"{recipe.name.removesuffix('.toml')}.toml"
    return recipe if recipe.exists() or not inside.exists() else inside


def use(threads: int | None) -> None:
    """Let torch, and what numba compiles, have that many threads."""
    if threads is not None:
        os.environ["NUMBA_NUM_THREADS"] = str(threads)
        import torch

        torch.set_num_threads(threads)
