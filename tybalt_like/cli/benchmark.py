"""``tybalt-like benchmark``: tables over seeds on one's own data, always beside the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tybalt_like.cli.options import Obs, Quiet, Threads, listed, reads, use

benchmark = typer.Typer(
    help="Measure encoders and detectors beside their baselines, on your data.",
    no_args_is_help=True,
)

Data = Annotated[str, typer.Option(help="Expression matrix of any known format.")]
Seeds = Annotated[int, typer.Option(help="Number of seeds, from 0.", min=1)]
Rows = Annotated[
    Path | None,
    typer.Option("--table", help="TSV to write every row to; a second call goes on there."),
]


@benchmark.command()
@reads
def anomaly(
    data: Data,
    reading: Mapping[str, Any],
    label: Annotated[str, typer.Option(help="Sample column with the labels below.")],
    normal: Annotated[str, typer.Option(help="Labels to learn, separated by commas.")],
    anomaly: Annotated[str, typer.Option(help="Labels to find, separated by commas.")],
    obs: Obs = None,
    detectors: Annotated[
        str | None, typer.Option(help="Only these of our detectors, separated by semicolons.")
    ] = None,
    parts: Annotated[
        bool, typer.Option("--parts", help="Also show what combined scores consist of.")
    ] = False,
    seeds: Seeds = 5,
    table: Rows = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Every detector on your cohort: AUROC, AUPRC, false alarms, seconds."""
    from tybalt_like import benchmark as measure
    from tybalt_like.benchmark.detectors import named
    from tybalt_like.run.progress import Progress

    use(threads)
    groups = {"normal": listed(normal), "anomalies": listed(anomaly)}
    rows = measure.detect(
        [measure.of_file(data, obs=obs, label=label, reading=reading, **groups)],
        detectors=named(detectors.split(";")) if detectors else None,
        seeds=seeds,
        file=table,
        progress=Progress(quiet=quiet),
    )
    measure.print_anomaly(rows, parts=parts)


@benchmark.command()
@reads
def latent(
    data: Data,
    reading: Mapping[str, Any],
    label: Annotated[str, typer.Option(help="Sample columns to read off, with commas.")],
    obs: Obs = None,
    covariate: Annotated[
        str | None, typer.Option(help="Sample column that conditional models are given.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Sample column whose samples stay together, as in a recipe.")
    ] = None,
    gene_sets: Annotated[
        str | None, typer.Option(help="GMT file for models whose features lean on gene sets.")
    ] = None,
    encoders: Annotated[
        str | None, typer.Option(help="Only these encoders, separated by commas.")
    ] = None,
    seeds: Seeds = 5,
    table: Rows = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Every encoder on your cohort: reconstruction, probes, stability, time."""
    from tybalt_like.benchmark import latent as measure
    from tybalt_like.benchmark import print_latent
    from tybalt_like.benchmark.latent import of_file
    from tybalt_like.run.progress import Progress

    use(threads)
    cohort = of_file(
        data,
        labels=listed(label),
        covariate=covariate,
        group=group,
        gene_sets=gene_sets,
        obs=obs,
        reading=reading,
    )
    rows = measure(
        [cohort],
        encoders=listed(encoders) if encoders else None,
        seeds=seeds,
        file=table,
        progress=Progress(quiet=quiet),
    )
    print_latent(rows)
