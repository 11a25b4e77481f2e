"""``tybalt-like explain``: what the latent features of a finished run mean."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from tybalt_like.cli.options import Device, Finished, Quiet, Threads, listed, use


def explain(
    run_dir: Finished,
    gene_sets: Annotated[
        str | None,
        typer.Option(help="GMT file, or a collection by name, such as hallmark."),
    ] = None,
    contrast: Annotated[
        list[str] | None,
        typer.Option(help="'COLUMN: A - B', or 'COLUMN: (A - B) - (C - D)'; may be given again."),
    ] = None,
    direction: Annotated[
        list[str] | None,
        typer.Option(help="'COLUMN: LABEL' gets a card as a feature would; may be given again."),
    ] = None,
    time: Annotated[str | None, typer.Option(help="Column with the follow-up, for survival.")] = (
        None
    ),
    event: Annotated[
        str | None, typer.Option(help="Column that says whether the event happened.")
    ] = None,
    clinical: Annotated[
        str | None, typer.Option(help="Columns such as age,stage to hold features beside.")
    ] = None,
    synthetic: Annotated[
        int, typer.Option(help="Made-up samples to judge; 0 for none.", min=0)
    ] = 0,
    turned: Annotated[
        Literal["auto", "own", "varimax", "ica"],
        typer.Option(help="The model's own axes, or rotated ones that are easier to read."),
    ] = "auto",
    seeds: Annotated[
        int, typer.Option(help="Further trainings that features must be found in.", min=0)
    ] = 3,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """What the latent features of a finished run mean: names with evidence, contrasts between
    groups, survival, made-up samples. Writes RUN/explained and draws the report again."""
    use(threads)
    from tybalt_like.core.settings import checked
    from tybalt_like.explain import Explain
    from tybalt_like.report import PAGE
    from tybalt_like.run.explain import explain_run
    from tybalt_like.run.progress import Progress

    given: dict[str, Any] = {"gene_sets": gene_sets, "contrasts": tuple(contrast or ())}
    given["directions"] = tuple(direction or ())
    given["clinical"] = tuple(listed(clinical)) if clinical else ()
    given |= {"time": time, "event": event, "synthetic": synthetic, "turned": turned}
    how = checked(Explain, given, where="explain")
    said = explain_run(run_dir, how, seeds=seeds, device=device, progress=Progress(quiet=quiet))
    for sentence in said:
        print(sentence)
    print(f"report: {run_dir / PAGE}")
