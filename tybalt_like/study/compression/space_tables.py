"""Many latent spaces in a few tables and one figure."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from tybalt_like import evaluation, io
from tybalt_like.study.compression.plan import SpaceJob
from tybalt_like.study.compression.space import Space

METRICS, STABILITY, UNION, FIGURES = "metrics.tsv", "stability.tsv", "coverage.tsv", "figures"


def write(spaces: Mapping[SpaceJob, Space], out: Path) -> None:
    """Write ``metrics.tsv``, ``stability.tsv``, ``coverage.tsv`` and ``figures/`` into `out`."""
    from tybalt_like import pl
    from tybalt_like.pl.compression import compression_curves

    tables = metrics(spaces), stability(spaces), union(spaces)
    for table, name in zip(tables, (METRICS, STABILITY, UNION), strict=True):
        if len(table):
            io.write_table(table.set_index("model"), out / name)
    work = out / f".{FIGURES}.partial"
    pl.save(compression_curves(*tables), work, "compression")
    shutil.rmtree(out / FIGURES, ignore_errors=True)
    work.rename(out / FIGURES)


def metrics(spaces: Mapping[SpaceJob, Space]) -> pd.DataFrame:
    """One row per job and metric: ``model, k, seed, metric, value``."""
    rows = [
        (job.model, job.k, job.seed, metric, value)
        for job, space in spaces.items()
        for metric, value in space.metrics.items()
    ]
    return pd.DataFrame(rows, columns=["model", "k", "seed", "metric", "value"])


def stability(spaces: Mapping[SpaceJob, Space]) -> pd.DataFrame:
    """Agreement of the held-out latents of two seeds: ``model, k, seed, other, cka, svcca``.

    Directions for SVCCA are learned from the training samples. Models that do not depend on a
    seed have no rows.
    """
    rows = []
    for (a, of_a), (b, of_b) in combinations(spaces.items(), 2):
        if (a.model, a.k) != (b.model, b.k):
            continue
        held = of_a.held_nk, of_b.held_nk
        cka = evaluation.linear_cka(*held)
        svcca = evaluation.svcca(of_a.train_mk, of_b.train_mk, judged_on=held)
        rows.append((a.model, a.k, a.seed, b.seed, cka, svcca))
    return pd.DataFrame(rows, columns=["model", "k", "seed", "other", "cka", "svcca"])


def union(spaces: Mapping[SpaceJob, Space]) -> pd.DataFrame:
    """Share of gene sets covered by ensembles: ``model, k, one_size, up_to_k``.

    ``one_size`` unites the seeds of that k, ``up_to_k`` those of all smaller ones too, which is
    how BioBombe (Way et al., Genome Biology 2020) covers most.
    """
    rows = []
    for model in dict.fromkeys(job.model for job in spaces):
        so_far: np.ndarray | None = None
        for k in sorted({job.k for job in spaces if job.model == model}):
            of_k = [s.covered_s for c, s in spaces.items() if (c.model, c.k) == (model, k)]
            if not of_k[0].size:
                continue
            here = np.any(of_k, axis=0)
            so_far = here if so_far is None else so_far | here
            rows.append((model, k, here.mean(), so_far.mean()))
    return pd.DataFrame(rows, columns=["model", "k", "one_size", "up_to_k"])
