"""What `run` does with a recipe that has a table ``[perturbation]``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tybalt_like.perturbation.analysis import run
from tybalt_like.perturbation.design import TABLE
from tybalt_like.perturbation.plan import Plan
from tybalt_like.run.kind import Options, RecipeKind
from tybalt_like.run.terminal import print_summary


class PairedRun(RecipeKind, table=TABLE):
    """Folds and seeds of a model of treated samples."""

    def execute(self, tables: Mapping[str, Any], out: Path, options: Options) -> None:
        run(Plan.from_tables(tables), out, **options.how())
        print_summary(out, as_json=options.as_json)
