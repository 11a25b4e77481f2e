"""Folders of runs, made without running anything; what users named is hostile."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

HOSTILE = "<script>alert(1)</script>"
HOSTILE_LABEL = '"><img src=x onerror=alert(2)>'

FLAGGED = np.arange(100) < 15
SPLIT = np.repeat(["query", "train", "calibration", "test"], [30, 30, 20, 20])
INDEX = pd.Index([HOSTILE, *(f"{i:03d}" for i in range(99))], name="sample")


def scores(model: str, *, flagged: np.ndarray) -> pd.DataFrame:
    """Query samples score high, the flagged ones highest, the same by every score."""
    score = np.random.default_rng(0).normal(size=100) + 5 * (SPLIT == "query") + 10 * flagged
    tested = SPLIT == "query"
    table = {"norm": score}
    for name in ("default", model):
        parts = dict.fromkeys(["reconstruction", "mahalanobis", "knn", "combined"], score)
        parts["p_value"] = np.where(flagged, 1 / 71, 0.5)
        parts["extrapolated"] = False
        parts["q_value"] = np.where(tested, np.where(flagged, 0.04, 0.5), np.nan)
        parts["flagged"] = flagged
        table |= {f"{name}_{part}": value for part, value in parts.items()}
    return pd.DataFrame(table, index=INDEX)


def metrics(model: str, anomalies: list[str]) -> pd.DataFrame:
    aurocs = {("default", "combined"): 0.913, (model, "combined"): 0.875, ("", "norm"): 0.951}
    rows = [
        [*names, a, 20, 30, 0.6, auroc, 0.8, 0.96, 0.8, 0.913 - auroc, 0.01]
        for a in anomalies
        for names, auroc in aurocs.items()
    ]
    columns = ["model", "score", "anomaly", "n_normal", "n_anomaly", "prevalence", "auroc"]
    columns += ["auroc_low", "auroc_high", "auprc", "ahead", "ahead_error"]
    return pd.DataFrame(rows, columns=columns)


def score_columns(model: str) -> list[list[str]]:
    """Column, model, score and what it is, as ``run.json`` says."""
    found = [["norm", "", "norm", "value"]]
    for name in dict.fromkeys(("default", model)):
        scores = ["reconstruction", "mahalanobis", "knn", "combined"]
        found += [[f"{name}_{score}", name, score, "value"] for score in scores]
        ends = ["p_value", "extrapolated", "q_value", "flagged"]
        found += [[f"{name}_{what}", name, "combined", what] for what in ends]
    return found


def gene_scores(samples: pd.Index) -> pd.DataFrame:
    top = [
        (1, "<b>ESR1</b>", True, 5.1, 9.9, -4.8, 7.5, 10.5, -6.5, "down", 0.001, 0.6),
        (2, "MIA", False, 9.9, 7.1, 2.8, 6.5, 8.5, 4.0, "up", 0.2, 0.2),
    ]
    columns = [
        "sample",
        "rank",
        "gene",
        "of_interest",
        "observed",
        "expected",
        "difference",
        "reference_low",
        "reference_high",
        "z",
        "direction",
        "p_adjusted",
        "share",
    ]
    return pd.DataFrame([[name, *row] for name in samples for row in top], columns=columns)


def write_run(
    folder: Path, *, labels: list[str] | None, model: str = "tybalt", anomalies: list[str]
) -> Path:
    """A run folder with 30 tested samples, 15 of them flagged if there are anomalies."""
    rng = np.random.default_rng(0)
    flagged = FLAGGED & bool(anomalies)
    first = pd.DataFrame(
        {"tybalt_split": SPLIT} | ({"kind": labels} if labels else {}), index=INDEX
    )
    features = [f"{model}_{i + 1}" for i in range(4)]
    latent = pd.DataFrame(rng.normal(size=(100, 4)), index=INDEX, columns=features)
    maps = [
        f"{of}_{how}_{i}" for of in ("latent", "genes") for how in ("umap", "tsne") for i in (1, 2)
    ]
    epochs = [] if model == "pca" else [0.0, 1, 2]
    history = {"epoch": epochs, "train_loss": epochs, "val_loss": epochs}
    folder.mkdir()
    first.join(latent).to_csv(folder / "latent.tsv.gz", sep="\t")
    first.join(scores(model, flagged=flagged)).to_csv(folder / "scores.tsv", sep="\t")
    pictures = pd.DataFrame(rng.normal(size=(100, 8)), index=INDEX, columns=maps)
    pictures.to_csv(folder / "embeddings.tsv.gz", sep="\t")
    metrics(model, anomalies).to_csv(folder / "metrics.tsv", sep="\t", index=False)
    genes = gene_scores(INDEX[flagged])
    genes.to_csv(folder / "gene_scores.tsv.gz", sep="\t", index=False)
    near = pd.DataFrame({"sample": INDEX[flagged], "rank": 1, "reference": "050", "distance": 1.25})
    near.to_csv(folder / "closest_reference.tsv", sep="\t", index=False)
    checks = pd.DataFrame({"log10 library size": 7 + 0.01 * np.arange(100)}, index=INDEX)
    checks["same profile as"] = ["007", *[""] * 99]
    checks["contradicts its sex"] = np.arange(100) == 3
    checks.to_csv(folder / "sample_checks.tsv", sep="\t")
    values = pd.DataFrame(rng.normal(8, 2, (100, 2)), index=INDEX, columns=["<b>ESR1</b>", "MIA"])
    values.to_csv(folder / "gene_values.tsv.gz", sep="\t")
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    about = ABOUT | {
        "model": ABOUT["model"] | {"name": model},
        "label": "kind" if labels else None,
        "normal": ["001"] if labels else [],
        "anomalies": anomalies,
        "flagged": {"tested": 30, "flagged": int(flagged.sum()), "beyond": 12},
        "scorers": ["default", model],
        "detector": ABOUT["detector"] | {"pooled": labels is None},
        "features": features,
        "score_columns": score_columns(model),
    }
    (folder / "run.json").write_text(json.dumps(about))
    return folder


def write_large_run(
    folder: Path, n: int, *, latents: int, genes: int, labels: int, clinical: int
) -> Path:
    """The same with `n` samples, hundreds of which are alike; labels are places on the maps."""
    rng = np.random.default_rng(0)
    write_run(folder, labels=["001"] * len(INDEX), anomalies=[])
    index = pd.Index([f"{INDEX[i % 100]} {i // 100}" for i in range(n)], name="sample")
    label_n = rng.integers(labels, size=n)
    text = {f"text_{i}": rng.choice(["a", "b", "c"], n) for i in range(clinical // 2)}
    number = {f"number_{i}": rng.normal(size=n) for i in range(clinical - len(text))}
    first = pd.DataFrame(
        {"tybalt_split": SPLIT[np.arange(n) % 100], "kind": [f"class {i}" for i in label_n]}
        | text
        | number,
        index,
    )
    features = [f"tybalt_{i + 1}" for i in range(latents)]
    symbols = ["<b>ESR1</b>", "MIA", *(f"GENE{i}" for i in range(2, genes))]
    scores = pd.read_csv(folder / "scores.tsv", sep="\t", index_col="sample")
    scores = scores.iloc[np.arange(n) % 100].set_axis(index)
    values = scores.columns[scores.columns.str.contains("combined|norm|knn|maha|recon")]
    scores[values] += rng.normal(size=(n, len(values)))
    maps = pd.read_csv(folder / "embeddings.tsv.gz", sep="\t", index_col="sample").columns
    centre_ln = rng.normal(size=(labels, len(maps)))[label_n]
    tables = {
        "latent.tsv.gz": first.join(_drawn(rng, index, features)),
        "scores.tsv": scores,
        "embeddings.tsv.gz": centre_ln + 0.2 * _drawn(rng, index, maps),
        "gene_values.tsv.gz": 8 + 2 * _drawn(rng, index, symbols),
    }
    for name, table in tables.items():
        table.to_csv(folder / name, sep="\t")
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(about | {"features": features}))
    return folder


def _drawn(rng: np.random.Generator, index: pd.Index, columns: Sequence[str]) -> pd.DataFrame:
    numbers = rng.normal(size=(len(index), len(columns))).astype(np.float32)
    return pd.DataFrame(numbers, index, list(columns))


ABOUT = {
    "schema": 5,
    "kind": "run",
    "name": "mine & <yours>",
    "recipe": {
        "data": {"dataset": None, "path": HOSTILE},
        "normalize": {"select": "mean_ad"},
        "training": {"epochs": 3},
        "pictures": {
            "maps": ["umap", "tsne"],
            "tsne_perplexity": 20,
            "umap_n_neighbors": 15,
            "umap_min_dist": 0.1,
        },
        "seed": 3,
    },
    "seed": 3,
    "created": "2026-01-02T03:04:05+00:00",
    "versions": {"tybalt-like": "9.8.7"},
    "summary": ["15 of 50"],
    "facts": {"device": "cpu"},
    "images": False,
    "evaluation": None,
    "reading": {"n_obs": 100, "n_vars": 1234},
    "findings": ["scale: log2"],
    "splits": {"train": 30, "validation": 0, "calibration": 20, "test": 20, "query": 30},
    "model": {"stopped": "all 3 epochs done", "best_epoch": -1},
    "entropy_floor": None,
    "fdr": 0.05,
    "detector": {
        "name": "default",
        "combined": "a sum",
        "reference": 70,
        "units": 70,
        "group": None,
        "smallest_p": 1 / 71,
        "extrapolates": True,
        "rule": "auto",
        "left_out": [],
        "log2": True,
        "normals": "test",
    },
    "warnings": [f"careful with {HOSTILE}"],
    "seconds": {"Reading": 0.5},
}
