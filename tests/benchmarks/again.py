"""Runs that are carried out again with another number of threads: how far they are off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from tybalt_like.benchmark.rows import Kept
from tybalt_like.io import datasets
from tybalt_like.run.progress import Progress
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.stages import run
from tybalt_like.run.verify import verify
from tybalt_like.tl import encoders

COHORTS, MODELS = ("tcga_brca", "gaussian", "counts"), ("tybalt", "beta_vae")
N, GENES = 120, 150


def again(
    *,
    only: list[str] | None = None,
    seeds: int = 5,
    file: Path | None = None,
    progress: Progress,
) -> pd.DataFrame:
    """Made with one thread and carried out again with two.

    Arrays are shared among threads however small they are, so that sums are taken in another order.
    One row for each quantity that `verify` bounds.
    """
    kept, cohorts = Kept(file, ("cohort", "model", "seed")), only or list(COHORTS)
    small, threads = encoders.SMALL, torch.get_num_threads()
    encoders.SMALL = 0
    try:
        with TemporaryDirectory(prefix="tybalt_like-again-") as scratch:
            for seed, cohort, model in product(range(seeds), cohorts, MODELS):
                if not kept.has(cohort, model, seed):
                    progress.say(f"{cohort}, {model}, seed {seed}")
                    kept.add(pd.DataFrame(_pair(cohort, model, seed, Path(scratch))))
        return kept.rows()
    finally:
        encoders.SMALL = small
        torch.set_num_threads(threads)


def print_again(rows: pd.DataFrame) -> None:
    """By quantity: how far it is off in the worst pair of runs, and in the median one."""
    own = rows.assign(model=rows["model"].where(rows["of_model"], "solved"))
    by = own.groupby(["model", "what"], sort=False)["off"]
    table = by.agg(pairs="size", median="median", worst="max")
    table["allowed"] = own.groupby(["model", "what"], sort=False)["allowed"].max()
    print(table.to_string(float_format="{:.2g}".format))
    runs = rows.groupby(["cohort", "model", "seed"])["same"].first()
    print(f"{int(runs.sum())} of {len(runs)} runs are the same within bounds, with the same calls")


def _pair(cohort: str, model: str, seed: int, place: Path) -> Iterator[dict[str, object]]:
    _write(cohort, place / f"{cohort}.tsv")
    tables = {
        "seed": seed,
        "data": {"path": str(place / f"{cohort}.tsv")},
        "model": {"name": model, "latent_dim": 5},
        "evaluation": {"seeds": 0},
        "pictures": {"maps": []},
    }
    folder = place / f"{cohort}-{model}-{seed}"
    torch.set_num_threads(1)
    run(Recipe.from_tables(tables), folder, device="cpu")
    torch.set_num_threads(2)
    found = verify(folder, data=[place])
    about = {"cohort": cohort, "model": model, "seed": seed, "same": found.differs is None}
    for said, off in found.off.items():
        what = said.split(":")[0]
        is_own = what.startswith((f"{model} ", "latent"))
        yield about | {
            "of_model": is_own,
            "what": what.removeprefix(f"{model} ") if is_own else _kind(what),
            "off": off,
            "allowed": float(said.rsplit(" ", 1)[1]),
        }


def _kind(what: str) -> str:
    """Of what is solved: scores of all kinds together."""
    last = what.rsplit(" ", 1)[-1]
    return last if last in {"p_value", "flagged", "q_value"} else "scores"


def _write(cohort: str, path: Path) -> None:
    rng = np.random.default_rng(sum(map(ord, cohort)))
    if cohort == "tcga_brca":
        table_gn = datasets.load("tcga_brca")[:N, :GENES].to_df().T
    else:
        names = [f"g{i}" for i in range(GENES)], [f"s{i}" for i in range(N)]
        log_ng = rng.normal(6, 2, GENES) + rng.normal(size=(N, 6)) @ rng.normal(size=(6, GENES))
        if cohort == "gaussian":
            x_ng = log_ng + rng.normal(size=(N, GENES))
        else:
            x_ng = rng.negative_binomial(5, 5 / (5 + np.exp(log_ng / 2 + 2)))
        table_gn = pd.DataFrame(x_ng.T, *names)
    table_gn.rename_axis("gene").to_csv(path, sep="\t")
