"""``tybalt-like perturbation``, and ``run`` for recipes with a table ``[perturbation]``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tybalt_like.cli.options import Change, Device, Quiet, Threads, shipped, use
from tybalt_like.core.errors import RecipeError

if TYPE_CHECKING:
    from tybalt_like.perturbation import Plan


def perturbation(
    recipe: Annotated[
        Path,
        typer.Argument(help="TOML recipe with a table 'perturbation', or a shipped one's name."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Run folder; reports/runs/NAME if not given."),
    ] = None,
    cells: Annotated[
        Path | None, typer.Option(help="Folder of finished trainings, to read and add to.")
    ] = None,
    cell: Annotated[
        str | None, typer.Option(help="Only train this one, into --cells; see --list.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="Only print the trainings, one a line.")
    ] = False,
    change: Change = None,
    seed: Annotated[int | None, typer.Option(help="Feeds everything random.", min=0)] = None,
    device: Device = "auto",
    threads: Threads = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run, or start it.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run folder if it exists.")
    ] = False,
    quiet: Quiet = False,
    json: Annotated[bool, typer.Option("--json", help="Print the run's summary as JSON.")] = False,
) -> None:
    """Profiles before and after treatment, and the response: PertVAE, SSVAE, Dr.VAE.

    Does what `run` does with such a recipe. On a cluster, pipelines/Snakefile trains each drug,
    fold and seed as a job (--cell) and then collects them (--cells).
    """
    from tybalt_like.core.toml import tables_of

    use(threads)
    file = shipped(recipe)
    tables = tables_of(file)
    how: dict[str, Any] = {"device": device, "resume": resume, "overwrite": overwrite}
    if not (show or cell):
        run_perturbation(
            file, tables, change or [], out, seed=seed, cells=cells, quiet=quiet, json=json, **how
        )
        return
    from tybalt_like.perturbation import read
    from tybalt_like.perturbation.analysis import named, train
    from tybalt_like.run.progress import Narrator

    plan = _plan(file, tables, change or [], seed)
    samples = read(plan)
    if show:
        planned = plan.cells(list(samples.units), samples.n_folds)
        print(*(one.name for one in planned), sep="\n")
        return
    if cells is None:
        raise RecipeError("--cell needs --cells, the folder to train it into")
    chosen = [named(plan, samples, str(cell))]
    train(plan, chosen, samples, cells, device=device, narrator=Narrator(quiet=quiet))


def run_perturbation(
    file: Path,
    tables: dict[str, Any],
    change: list[str],
    out: Path | None,
    *,
    seed: int | None,
    quiet: bool,
    json: bool,
    **how: Any,
) -> None:
    """Carry out a recipe with a table ``[perturbation]`` and print what it found."""
    from tybalt_like.perturbation.analysis import run
    from tybalt_like.run.progress import Narrator

    plan = _plan(file, tables, change, seed)
    out = out or Path("reports/runs") / plan.name
    run(plan, out, inputs=[file], narrator=Narrator(quiet=quiet), **how)
    _print(out, as_json=json)


def _plan(file: Path, tables: dict[str, Any], change: list[str], seed: int | None) -> Plan:
    from tybalt_like.core.toml import changed
    from tybalt_like.perturbation import Plan, beside

    tables = changed(beside(file, tables), change)
    if seed is not None:
        tables["seed"] = seed
    return Plan.from_tables(tables)


def _print(out: Path, *, as_json: bool) -> None:
    from json import dumps, loads

    about = loads((out / "run.json").read_text(encoding="utf-8"))
    report = str(out / "report.html")
    if as_json:
        said = {key: about[key] for key in ("verdict", "warnings", "units", "seconds")}
        print(dumps({"report": report, **said}))
        return
    print(*about["verdict"], sep="\n")
    for warning in about["warnings"]:
        print(f"note: {warning}")
    print(f"report: {report}")
