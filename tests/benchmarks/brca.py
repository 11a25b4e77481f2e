"""Detectors beside their baselines, over seeds: one long table."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tybalt_like.anomaly import scores
from tybalt_like.benchmark.rows import mean_sd, print_table
from tybalt_like.core import keys
from tybalt_like.io.datasets import PIPELINES
from tybalt_like.models import ModelSettings
from tybalt_like.report.run_contents import BASELINE
from tybalt_like.run.progress import Progress
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.stages import analyse

PCA_COMPONENTS = 20
ALPHA = 0.1
"""Nominal share of normal samples with p <= alpha, whose true share is measured."""


def brca(*, seeds: int = 5, progress: Progress | None = None) -> pd.DataFrame:
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
    progress = progress or Progress(quiet=True)
    recipe = Recipe.from_toml(PIPELINES / "tybalt_brca.toml")
    small = ModelSettings.of(BASELINE, {"latent_dim": PCA_COMPONENTS})
    tables = []
    for seed in range(seeds):
        with progress.stage(f"seed {seed}"):
            tables.append(_measure(replace(recipe, seed=seed)))
            rows = _measure(replace(recipe, seed=seed).with_model(small))
            ours = rows[rows["model"] == BASELINE]
            tables.append(ours.assign(model=f"{BASELINE}-{PCA_COMPONENTS}"))
    rows = pd.concat(tables, ignore_index=True)
    detector = rows.pop("model").str.cat(rows.pop("score"), sep=" ").str.strip()
    return rows.assign(detector=detector)


def _measure(recipe: Recipe) -> pd.DataFrame:
    """All metrics of one recipe."""
    results = analyse(recipe, device="cpu")
    rows = [
        (row["model"], row["score"], f"{metric} {row['anomaly']}", row[metric])
        for row in results.metrics().to_dict(orient="records")
        for metric in ("auroc", "auprc")
    ]
    normal_n = (results.adata.obs[keys.SPLIT] == keys.TEST).to_numpy()
    for name, model in results.models.items():
        p_n = scores.of(results.scores, name, what="p_value").reindex(results.adata.obs_names)
        flagged = float((p_n[normal_n] <= ALPHA).mean())
        rows.append((name, scores.COMBINED, "flagged normals", flagged))
        if model.history.rows:
            seconds = sum(row["seconds"] for row in model.history.rows)
            rows.append((name, scores.COMBINED, "seconds", seconds))
    table = pd.DataFrame(rows, columns=["model", "score", "metric", "value"])
    table.insert(0, "dataset", recipe.data.dataset or recipe.data.path)
    table.insert(2, "seed", recipe.seed)
    return table


def print_detection(rows: pd.DataFrame) -> None:
    """Mean and standard deviation over seeds, a line per detector; AUPRC is in the rows only."""
    metrics = [metric for metric in rows["metric"].unique() if "auprc" not in metric.split()]
    for dataset, part in rows.groupby("dataset", sort=False):
        cells = {
            str(detector): [mean_sd(of["value"][of["metric"] == m]) for m in metrics]
            for detector, of in part.groupby("detector", sort=False)
        }
        title = f"{dataset}, mean ± SD of {part['seed'].nunique()} seeds"
        print_table(title, cells, metrics)
