"""``tybalt-like score`` and ``merge``: new samples, scored by a finished run, in shards or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tybalt_like.cli.options import (
    GenesOfInterest,
    Matrix,
    Obs,
    OutTable,
    Overwrite,
    RunDir,
    Threads,
    check_out,
    emit,
    files_in,
    reads,
    say,
    say_notes,
    use,
)
from tybalt_like.core.errors import RecipeError

if TYPE_CHECKING:
    from tybalt_like.run.seen import Assessed

OutGenes = Annotated[
    Path | None, typer.Option(help="TSV for the genes behind each score, 20 a sample.")
]


@reads
def score(
    run_dir: RunDir,
    matrix: Matrix,
    reading: Mapping[str, Any],
    obs: Obs = None,
    controls: Annotated[
        Path | None,
        typer.Option(help="Normal samples from where the new ones come: a matrix of at least 5."),
    ] = None,
    genes: OutGenes = None,
    genes_of_interest: GenesOfInterest = None,
    page: Annotated[
        Path | None,
        typer.Option("--report", help="Folder for a page: the new samples on the run's map."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="3/16", help="One part of a large file, into a folder (--out) for `merge`."
        ),
    ] = None,
    out: OutTable = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Score new samples with a finished run: anomaly scores, p- and q-values, and the five genes
    that are furthest from what is expected. Whether the p-values hold is said on standard error."""
    from tybalt_like import io
    from tybalt_like.run import portions, shards
    from tybalt_like.run.calls import of_genes
    from tybalt_like.run.folder import Run

    use(threads)
    part = None if shard is None else shards.Shard.parsed(shard)
    if part is None:
        check_out(out, matrix)
        check_out(genes, matrix)
    elif out is None or genes is not None or page is not None:
        raise RecipeError(
            "--shard writes a folder, which --out names; --genes is for `merge`, and pages are for "
            "samples that are scored at once"
        )
    run = Run.load(run_dir)
    known = None
    if controls is not None:
        known = io.read(controls, usual=run.parts, **reading)
    listed = () if genes_of_interest is None else io.read_gene_list(genes_of_interest)
    inputs = [path for path in (matrix, obs, controls) if path is not None]
    inputs += files_in(reading)
    if part is not None and out is not None:
        found = shards.read(matrix, part, obs=obs, usual=run.parts, reading=reading)
        say_notes(found.adata)
        given = {"obs": obs, "controls": controls, **{str(p): p for p in files_in(reading)}}
        contents = {name: shards.content(path) for name, path in given.items()}
        settings = {name: str(value) for name, value in reading.items()} | contents
        shards.write(
            out,
            part,
            run,
            found,
            controls=known,
            of_interest=listed,
            settings=settings,
            inputs=inputs,
            overwrite=overwrite,
        )
        return
    n = 1 if page else portions.how_many(matrix, obs=obs, usual=run.parts, reading=reading)
    if n > 1:
        large = portions.assess(run, matrix, n, controls=known, of_interest=listed, genes=genes)
        say(large.notes)
        _say(large.assessed)
        emit(large.table, out)
        return
    adata = io.read(matrix, obs=obs, usual=run.parts, **reading)
    say_notes(adata)
    assessed = run.assess(adata, controls=known, of_interest=listed)
    _say(assessed)
    if genes is not None:
        emit(assessed.genes.set_index("sample"), genes)
    if page is not None:
        from tybalt_like.run.new_samples import write_page

        title = matrix.name.split(".")[0] or "new samples"
        write_page(assessed, run, adata, page, name=title, inputs=inputs, overwrite=overwrite)
    emit(assessed.scores.assign(genes=of_genes(assessed.genes)), out)


def merge(
    run_dir: RunDir,
    folders: Annotated[
        list[Path], typer.Argument(metavar="SHARDS", help="Folders that `score --shard` made.")
    ],
    genes: OutGenes = None,
    out: OutTable = None,
) -> None:
    """Merge the shards of a file that `score --shard` has scored: the tables that `score` writes of
    the whole file, byte for byte, without reading it again."""
    from tybalt_like.io.write import shortened, write_table
    from tybalt_like.run import shards
    from tybalt_like.run.folder import Run

    check_out(out)
    check_out(genes)
    merged = shards.merge(Run.load(run_dir), folders)
    _say(merged.assessed)
    if genes is not None:
        write_table(map(shortened, merged.genes()), genes)
    emit(merged.table, out)


def _say(found: Assessed) -> None:
    say(found.notes)
    if found.verdict is not None:
        typer.echo(
            f"do the p-values hold? {found.verdict.outcome}: {found.verdict.sentence}", err=True
        )
