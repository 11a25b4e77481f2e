"""Detectors beside their baselines, over seeds: one long table."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tybalt_like.benchmark.table import mean_sd, print_table
from tybalt_like.core import keys
from tybalt_like.io.datasets import PIPELINES
from tybalt_like.run.progress import Narrator
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.stages import BASELINE, analyse

PCA_COMPONENTS = 20
ALPHA = 0.1
"""Nominal share of normal samples with p <= alpha, whose true share is measured."""


def brca(*, seeds: int = 5, narrator: Narrator | None = None) -> pd.DataFrame:
    """Luminal tumours learned, basal-like and HER2-enriched ones found.

    Every seed divides the samples anew and trains anew. Beside Tybalt and PCA with as many
    components stand PCA with 20 and the norm of the standardised row.

    Returns
    -------
    pandas.DataFrame
        One row per data set, detector, seed and metric: ``dataset, detector, seed, metric,
        value``. Metrics: ``auroc <anomaly>``, ``auprc <anomaly>``, ``flagged normals`` (share of
        the held-out normal samples with p <= 0.1) and ``seconds`` (training).
    """
    narrator = narrator or Narrator(quiet=True)
    recipe = Recipe.from_toml(PIPELINES / "tybalt_brca.toml")
    tables = []
    for seed in range(seeds):
        with narrator.stage(f"seed {seed}"):
            tables.append(_measure(replace(recipe, seed=seed)))
            small = {"name": BASELINE, "latent_dim": PCA_COMPONENTS}
            rows = _measure(replace(recipe, seed=seed, model=small))
            ours = rows["detector"].str.startswith(f"{BASELINE} ")
            name = rows["detector"].str.replace(BASELINE, f"{BASELINE}-{PCA_COMPONENTS}")
            tables.append(rows.assign(detector=name)[ours])
    return pd.concat(tables, ignore_index=True)


def _measure(recipe: Recipe) -> pd.DataFrame:
    """All metrics of one recipe."""
    results = analyse(recipe, device="cpu")
    rows = [
        (row["detector"], f"{metric} {row['anomaly']}", row[metric])
        for row in results.metrics().to_dict(orient="records")
        for metric in ("auroc", "auprc")
    ]
    normal_n = results.adata.obs[keys.SPLIT] == keys.TEST
    for name in results.models:
        p_n = results.adata.obs.loc[normal_n, keys.score(name, "p_value")]
        rows.append((f"{name} combined", "flagged normals", float((p_n <= ALPHA).mean())))
        history = results.models[name].history
        if history.rows:
            seconds = sum(row["seconds"] for row in history.rows)
            rows.append((f"{name} combined", "seconds", seconds))
    table = pd.DataFrame(rows, columns=["detector", "metric", "value"])
    table.insert(0, "dataset", recipe.data.dataset or recipe.data.path)
    table.insert(2, "seed", recipe.seed)
    return table


def print_detection(rows: pd.DataFrame) -> None:
    """Mean and standard deviation over seeds, a line per detector; AUPRC is in the rows only."""
    metrics = [m for m in rows["metric"].unique() if not m.startswith("auprc")]
    for dataset, part in rows.groupby("dataset", sort=False):
        cells = {
            str(detector): [mean_sd(of["value"][of["metric"] == m]) for m in metrics]
            for detector, of in part.groupby("detector", sort=False)
        }
        title = f"{dataset}, mean ± SD of {part['seed'].nunique()} seeds"
        print_table(title, cells, metrics)
