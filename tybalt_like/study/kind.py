"""What `run` does with recipes that have a table ``[sweep]`` or ``[compression]``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tybalt_like.core.errors import RunError
from tybalt_like.run.kind import Options, RecipeKind
from tybalt_like.study import compression, sweep


class SweepKind(RecipeKind, table=sweep.TABLE):
    """Many trainings of one recipe; prints the best as a recipe."""

    folder = "reports/sweeps"

    def execute(self, tables: Mapping[str, Any], out: Path, options: Options) -> None:
        _check(out, options)
        best = sweep.sweep(
            tables,
            out,
            device=options.device,
            overwrite=options.overwrite,
            inputs=options.inputs,
            progress=options.progress,
        )
        if best is not None:
            _say("best", best, options)


class CompressionKind(RecipeKind, table=compression.TABLE):
    """Latent spaces of many sizes; prints the folder of their tables."""

    folder = "reports/compression"

    def execute(self, tables: Mapping[str, Any], out: Path, options: Options) -> None:
        _check(out, options)
        plan = compression.Plan.from_tables(tables)
        compression.train(
            plan,
            plan.jobs(),
            out,
            device=options.device,
            overwrite=options.overwrite,
            inputs=options.inputs,
            progress=options.progress,
        )
        _say("results", compression.collect(plan, out), options)


def _check(out: Path, options: Options) -> None:
    """These folders grow: what is there is gone on with, asked for or not."""
    if options.resume and options.overwrite and out.exists():
        raise RunError("--resume keeps what is done and --overwrite removes it; give one of them")


def _say(what: str, path: Path, options: Options) -> None:
    print(json.dumps({what: str(path)}) if options.as_json else path)
