"""Measurements for the project itself: ``python tests/benchmarks NAME [--table FILE] [--seeds N]``.

The cohorts are looked for in the folder that TYBALT_LIKE_DATA names. Rows go to the file part by
part; the same command goes on where it stopped, and with ``--print`` only prints what is there.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tybalt_like.core.threads import brief_waits

os.environ.update(brief_waits())
os.environ.setdefault("MPLBACKEND", "Agg")

import pandas as pd
from aberrant import aberrant, print_aberrant
from again import again, print_again
from arithmetic import arithmetic, print_arithmetic
from brca import brca, print_detection
from calibration import calibration, print_calibration
from cohorts import of_tasks
from contaminated import adbench, contaminated
from domain import domain, print_domain
from features import features, print_features
from gene_sets import gene_sets, print_gene_sets
from genes import genes, print_genes
from images import images, print_images
from kills import kills, print_kills
from nonlinear import nonlinear, print_nonlinear
from out_of_core import out_of_core, print_out_of_core
from page import page, print_page
from perturbation import perturbation, print_perturbation
from scale import print_scale, scale
from split import print_split, split
from suite import suite
from survival import print_survival, survival

from tybalt_like.benchmark import latent, print_latent
from tybalt_like.benchmark.detectors import DEFAULT
from tybalt_like.benchmark.rows import read_rows
from tybalt_like.benchmark.verdicts import print_suite
from tybalt_like.io import write_table
from tybalt_like.run.progress import Progress

OF_SUITE = ("detectors", "contaminated")
"""Options that only the suite takes."""
ON_IMAGES = (DEFAULT, "f-AnoGAN", "AnoGAN")


class Measurement(NamedTuple):
    """How rows are measured and printed; `file` is theirs to keep, or None."""

    measure: Callable[..., pd.DataFrame]
    show: Callable[[pd.DataFrame], None]
    seeds: int = 5


def _latent(*, only: list[str] | None, progress: Progress, **how: Any) -> pd.DataFrame:
    return latent(of_tasks(only, progress), progress=progress, **how)


def _images(*, only: list[str] | None, **how: Any) -> pd.DataFrame:
    return images((only or ["mnist"])[0], detectors=ON_IMAGES, **how)


def _perturbation(*, only: list[str] | None, **how: Any) -> pd.DataFrame:
    return perturbation(recipes=only, **how)


def _at_once(measure: Callable[..., pd.DataFrame], option: str = "") -> Callable[..., pd.DataFrame]:
    """What is measured in one go; `option` takes the cohorts."""

    def measured(*, only: list[str] | None, file: Path | None, **how: Any) -> pd.DataFrame:
        rows = measure(**how, **({option: only} if option else {}))
        if file is not None:
            write_table(rows.set_index(rows.columns[0]), file)
        return rows

    return measured


MEASUREMENTS = {
    "brca": Measurement(_at_once(brca), print_detection),
    "suite": Measurement(suite, print_suite, seeds=3),
    "contaminated": Measurement(_at_once(contaminated, "cases"), print_suite),
    "adbench": Measurement(_at_once(adbench), print_suite),
    "genes": Measurement(genes, print_genes),
    "features": Measurement(features, print_features, seeds=4),
    "mnist": Measurement(_images, print_images, seeds=1),
    "domain": Measurement(domain, print_domain, seeds=1),
    "calibration": Measurement(calibration, print_calibration, seeds=100),
    "aberrant": Measurement(aberrant, print_aberrant),
    "perturbation": Measurement(_perturbation, print_perturbation, seeds=3),
    "latent": Measurement(_latent, print_latent),
    "gene_sets": Measurement(_at_once(gene_sets, "names"), print_gene_sets, seeds=3),
    "nonlinear": Measurement(nonlinear, print_nonlinear, seeds=3),
    "arithmetic": Measurement(arithmetic, print_arithmetic, seeds=3),
    "survival": Measurement(_at_once(survival), print_survival),
    "page": Measurement(_at_once(page, "sizes"), print_page),
    "again": Measurement(again, print_again),
    "kills": Measurement(kills, print_kills, seeds=30),
    "scale": Measurement(_at_once(scale, "sizes"), print_scale, seeds=1),
    "out_of_core": Measurement(_at_once(out_of_core, "parts"), print_out_of_core, seeds=3),
    "split": Measurement(_at_once(split, "names"), print_split, seeds=20),
}


def main() -> None:
    parser = argparse.ArgumentParser("tests/benchmarks", description=__doc__)
    parser.add_argument("name", choices=MEASUREMENTS)
    parser.add_argument("--table", type=Path, help="TSV of all rows, .tsv.gz to compress")
    parser.add_argument("--only", nargs="+", help="only these cohorts or recipes")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--print", action="store_true", help="only print what the table holds")
    parser.add_argument("--detectors", nargs="+", help="suite: only these")
    parser.add_argument(
        "--contaminated", action="store_true", help="suite: anomalies hidden in the reference"
    )
    parser.add_argument("--beside", type=Path, nargs="+", default=[], help="tables to print too")
    given = parser.parse_args()
    chosen = MEASUREMENTS[given.name]
    if given.print:
        rows = read_rows(given.table)
    else:
        rows = chosen.measure(
            only=given.only,
            seeds=given.seeds or chosen.seeds,
            file=given.table,
            progress=Progress(),
            **{name: getattr(given, name) for name in OF_SUITE if getattr(given, name)},
        )
    chosen.show(pd.concat([rows, *map(read_rows, given.beside)], ignore_index=True))


if __name__ == "__main__":
    main()
