"""``tybalt-like benchmark``: tables over seeds, always beside the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tybalt_like.cli.options import Quiet, Threads, use

if TYPE_CHECKING:
    import pandas as pd

benchmark = typer.Typer(
    help="Measure encoders and detectors beside their baselines.", no_args_is_help=True
)


Seeds = Annotated[int, typer.Option(help="Number of seeds, from 0.", min=1)]
Json = Annotated[Path | None, typer.Option("--json", help="Also write every row to this file.")]


@benchmark.command()
def brca(
    seeds: Seeds = 5, json: Json = None, threads: Threads = None, quiet: Quiet = False
) -> None:
    """Luminal breast cancer learned; basal-like and HER2-enriched found."""
    from tybalt_like.benchmark import brca as measure
    from tybalt_like.benchmark import print_detection
    from tybalt_like.run.progress import Narrator

    use(threads)
    rows = measure(seeds=seeds, narrator=Narrator(quiet=quiet))
    print_detection(_written(rows, json))


@benchmark.command()
def latent(
    seeds: Seeds = 5,
    dataset: Annotated[
        str | None, typer.Option(help="Only these cohorts, separated by commas.")
    ] = None,
    json: Json = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Every encoder on several cohorts: reconstruction, probes, stability, time.

    The file of --json is written after each seed; the same command goes on where it stopped.
    """
    from tybalt_like.benchmark import latent as measure
    from tybalt_like.benchmark import print_latent
    from tybalt_like.run.progress import Narrator

    use(threads)
    datasets = dataset.split(",") if dataset else None
    print_latent(measure(seeds=seeds, datasets=datasets, file=json, narrator=Narrator(quiet=quiet)))


@benchmark.command()
def anomaly(
    seeds: Seeds = 5,
    case: Annotated[
        str | None, typer.Option(help="Only these cohorts, separated by commas.")
    ] = None,
    detectors: Annotated[
        str | None,
        typer.Option(help="Only these of our detectors, separated by semicolons."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="A matrix of your own, instead.")] = None,
    obs: Annotated[str | None, typer.Option(help="Its sample table.")] = None,
    label: Annotated[str | None, typer.Option(help="Its column with the labels below.")] = None,
    normal: Annotated[str | None, typer.Option(help="Labels to learn, with commas.")] = None,
    anomaly: Annotated[str | None, typer.Option(help="Labels to find, with commas.")] = None,
    contaminated: Annotated[
        bool, typer.Option("--contaminated", help="Hide anomalies among the reference samples.")
    ] = False,
    adbench: Annotated[bool, typer.Option("--adbench", help="ADBench's tables instead.")] = False,
    parts: Annotated[
        bool, typer.Option("--parts", help="Also show what combined scores consist of.")
    ] = False,
    json: Json = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Every detector on cohorts with known anomalies: AUROC, AUPRC, false alarms, seconds.

    The file of --json is written after each seed; the same command goes on where it stopped.
    """
    from tybalt_like import benchmark as measure
    from tybalt_like.core.errors import RecipeError
    from tybalt_like.run.progress import Narrator

    use(threads)
    narrator = Narrator(quiet=quiet)
    cases = case.split(",") if case else None
    if adbench or contaminated:
        rows = (
            measure.adbench(seeds=seeds, narrator=narrator)
            if adbench
            else measure.contaminated(cases, seeds=seeds, narrator=narrator)
        )
        measure.print_anomaly(_written(rows, json), parts=parts)
        return
    own = None
    if data is not None:
        if not (label and normal and anomaly):
            raise RecipeError("--data needs --label, --normal and --anomaly")
        groups = {"normal": normal.split(","), "anomalies": anomaly.split(",")}
        own = measure.of_file(data, obs=obs, label=label, **groups)
    rows = measure.detect(
        cases,
        own=own,
        encoders=detectors.split(";") if detectors else None,
        seeds=seeds,
        file=json,
        narrator=narrator,
    )
    measure.print_anomaly(rows, parts=parts)


@benchmark.command()
def aberrant(
    seeds: Seeds = 5,
    dataset: Annotated[str | None, typer.Option(help="Only this cohort of counts.")] = None,
    json: Json = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Outliers injected into counts: who finds them, and are p-values of clean ones uniform?"""
    from tybalt_like.benchmark import aberrant as measure
    from tybalt_like.benchmark import print_aberrant
    from tybalt_like.run.progress import Narrator

    use(threads)
    narrator = Narrator(quiet=quiet)
    print_aberrant(_written(measure(seeds=seeds, dataset=dataset, narrator=narrator), json))


@benchmark.command()
def perturbation(
    seeds: Seeds = 3,
    dataset: Annotated[
        str | None, typer.Option(help="Only these recipes drvae_*, separated by commas.")
    ] = None,
    json: Json = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """PertVAE and Dr.VAE on held-out groups of the shipped recipes, beside simple rules.

    The file of --json is written after each seed; the same command goes on where it stopped.
    """
    from tybalt_like.benchmark import perturbation as measure
    from tybalt_like.benchmark import print_perturbation
    from tybalt_like.run.progress import Narrator

    use(threads)
    recipes = dataset.split(",") if dataset else None
    rows = measure(seeds=seeds, recipes=recipes, file=json, narrator=Narrator(quiet=quiet))
    print_perturbation(rows)


@benchmark.command()
def images(
    dataset: Annotated[str, typer.Option(help="Labelled images in the registry.")] = "mnist",
    detectors: Annotated[
        str,
        typer.Option(help="Ours, separated by semicolons, beside the simple ones."),
    ] = "default (PCA-20)",
    seeds: Seeds = 1,
    json: Json = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Detectors on images: one class is normal, or one is held out.

    The file of --json is written class by class; the same command goes on where it stopped.
    """
    from tybalt_like import benchmark as measure
    from tybalt_like.run.progress import Narrator

    use(threads)
    rows = measure.images(
        dataset,
        encoders=detectors.split(";"),
        seeds=seeds,
        file=json,
        narrator=Narrator(quiet=quiet),
    )
    measure.print_images(rows)


def _written(rows: pd.DataFrame, json: Path | None) -> pd.DataFrame:
    if json is not None:
        rows.to_json(json, orient="records", indent=1)
    return rows
