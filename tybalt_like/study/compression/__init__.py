"""How many latent features, and of which model? Spaces of many sizes and seeds, compared as in
BioBombe (Way, Zietz, Rubinetti, Himmelstein & Greene, Genome Biology 21:109, 2020)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tybalt_like import io
from tybalt_like.core.errors import RunError
from tybalt_like.core.files import growing_folder
from tybalt_like.genes.gene_sets import GeneSets
from tybalt_like.run.cohort import prepared
from tybalt_like.run.progress import Narrator
from tybalt_like.study.compression.plan import Cell, Compression, Plan, beside
from tybalt_like.study.compression.space import Space, is_done, make
from tybalt_like.study.compression.tables import write

__all__ = ["Cell", "Compression", "Plan", "Space", "beside", "collect", "train"]

CELLS = "cells"
OWNS = (f"{CELLS}/", "metrics.tsv", "stability.tsv", "coverage.tsv", "figures/")


def train(
    plan: Plan,
    cells: list[Cell],
    out: Path,
    *,
    device: str = "auto",
    inputs: Iterable[Path] = (),
    narrator: Narrator | None = None,
) -> None:
    """Train those of `cells` whose files are missing; each becomes a file in ``out/cells``."""
    narrator = narrator or Narrator(quiet=True)
    growing_folder(out, kind="compression", owns=OWNS, inputs=inputs)
    folder = out / CELLS
    folder.mkdir(exist_ok=True)
    missing = [cell for cell in cells if not is_done(folder / cell.file, plan.identity(cell))]
    if len(missing) < len(cells):
        narrator.say(f"{len(cells) - len(missing)} of {len(cells)} cells are done already")
    if not missing:
        return
    adata = prepared(plan.recipe(missing[0]))
    sets = None
    if plan.compression.genesets is not None:
        sets = GeneSets.within(list(adata.var_names), io.read_gmt(plan.compression.genesets))
        narrator.say(f"{len(sets.names)} gene sets with at least 5 of the {adata.n_vars} genes")
    else:
        narrator.say("no compression.genesets: gene-set coverage is left out")
    for i, cell in enumerate(missing, 1):
        space = make(plan, cell, adata, sets=sets, device=device)
        space.save(folder / cell.file)
        shown = ", ".join(f"{key} {value:.3g}" for key, value in space.metrics.items())
        narrator.say(f"{i} of {len(missing)}: {cell.model} k {cell.k} seed {cell.seed}: {shown}")


def collect(plan: Plan, out: Path) -> Path:
    """Write tables and the figure of a comparison whose cells are all there; see `write`.

    Raises
    ------
    RunError
        If cells are missing; it says how many.
    """
    paths = {cell: out / CELLS / cell.file for cell in plan.cells()}
    missing = [cell for cell, path in paths.items() if not is_done(path, plan.identity(cell))]
    if missing:
        raise RunError(
            f"{len(missing)} of {len(paths)} cells are missing in {out}, such as {missing[0]}; "
            "leave out --collect to train them"
        )
    write({cell: Space.load(path) for cell, path in paths.items()}, out)
    return out
