"""What a run found, and how it is written down."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tybalt_like import anomaly, io, pp
from tybalt_like.core import keys
from tybalt_like.core.provenance import recorded
from tybalt_like.evaluation import Card
from tybalt_like.models import Model
from tybalt_like.run import folder
from tybalt_like.run.recipe import Recipe

if TYPE_CHECKING:
    from anndata import AnnData

NORM = "norm"
"""obs column with the norm of the standardised row."""
JUDGED = ("p_value", "q_value", "flagged")
"""Columns that say how sure a score is, and are not one."""
TESTED = (keys.TEST, keys.QUERY)
LIBRARIES = (
    "tybalt-like",
    "torch",
    "numpy",
    "pandas",
    "scikit-learn",
    "anndata",
    "umap-learn",
    "openTSNE",
)


@dataclass(frozen=True)
class Results:
    """What a run found.

    Attributes
    ----------
    adata
        Normalised, with split, latents, reconstructions and scores of every model.
    models, detectors
        By name: the recipe's model, and the baseline beside it.
    genes
        What makes the flagged or strangest samples strange (`anomaly.gene_scores`).
    gene_sets
        The same by gene set (`tl.explain_pathways`); empty if the recipe names none.
    smallest_p
        No sample can have a smaller p-value; it follows from the calibration samples.
    card
        What the encoding is worth (`tl.evaluate`), if it was judged.
    """

    recipe: Recipe
    adata: AnnData
    normaliser: pp.Normaliser
    models: dict[str, Model]
    detectors: dict[str, anomaly.Detector]
    genes: pd.DataFrame
    gene_sets: pd.DataFrame
    smallest_p: float
    card: Card | None = None

    @property
    def name(self) -> str:
        """Name of the recipe's model."""
        return self.recipe.model_name

    def of_model(self, part: str) -> pd.Series:
        """One score of the recipe's model, per sample."""
        column: pd.Series = self.adata.obs[keys.score(self.name, part)]
        return column

    def score_columns(self) -> list[str]:
        """The obs columns with scores: of the models, and the norm of the standardised row."""
        starts = tuple(f"{name}_" for name in self.models)
        return [NORM] + [c for c in self.adata.obs if c.startswith(starts)]

    def _parts(self) -> list[tuple[str, str]]:
        """Every model with each of its scores, the combined one first."""
        parts = []
        for name in self.models:
            start = keys.score(name, "")
            found = [c.removeprefix(start) for c in self.adata.obs if c.startswith(start)]
            found = [part for part in found if part not in JUDGED]
            parts += [(name, part) for part in sorted(found, key=lambda p: p != "combined")]
        return parts

    def metrics(self) -> pd.DataFrame:
        """How well every score finds the named anomalies among the test samples."""
        obs, label = self.adata.obs, self.recipe.data.label
        scores = {f"{m} {part}": obs[keys.score(m, part)] for m, part in self._parts()}
        scores["norm of the standardised row"] = obs[NORM]
        return anomaly.detection_metrics(
            scores,
            label_n=[str(value) for value in obs[label]] if label else [""] * len(obs),
            normal_n=np.asarray(obs[keys.SPLIT] == keys.TEST),
            anomalies=self.recipe.data.anomalies,
        )

    def write(self, work: Path) -> None:
        """Tables for people, and all that scoring new samples on another machine needs."""
        self._write_tables(work)
        self.normaliser.save(work / folder.NORMALISER)
        self.models[self.name].save(work / folder.MODEL)
        self.detectors[self.name].save(work / folder.DETECTOR)
        for name in self.models:
            if name != self.name:
                self.models[name].save(work / folder.BASELINE_MODEL)
                self.detectors[name].save(work / folder.BASELINE_DETECTOR)
        slim = self.adata.copy()
        for name in self.models:
            del slim.layers[keys.reconstruction(name)]
        io.write_h5ad(slim, work / "adata.h5ad")

    def _write_tables(self, work: Path) -> None:
        obs = self.adata.obs.rename_axis("sample")
        scored = self.score_columns()
        label = self.recipe.data.label
        first = [keys.SPLIT] + ([label] if label else [])
        clinical = obs[first + [c for c in obs if c not in {*first, *scored}]]
        latent = folder.latent_table(self.adata, self.name)
        weights = pd.DataFrame(
            self.adata.varm[keys.weights(self.name)].T,
            index=latent.columns.rename("feature"),
            columns=self.adata.var_names,
        )
        io.write_table(pd.concat([clinical, latent], axis=1), work / "latent.tsv.gz")
        io.write_table(obs[first + scored], work / "scores.tsv")
        io.write_table(weights, work / "gene_weights.tsv.gz")
        io.write_table(self._embeddings(), work / "embeddings.tsv.gz")
        io.write_table(self.metrics().set_index("detector"), work / "metrics.tsv")
        io.write_table(self.genes.set_index("sample"), work / "gene_scores.tsv.gz")
        if len(self.gene_sets):
            io.write_table(self.gene_sets.set_index("sample"), work / "gene_set_scores.tsv.gz")
        if self.card is not None:
            _write_card(self.card, work)
        self.models[self.name].history.frame().to_csv(work / "history.csv", index=False)
        (work / "genes.txt").write_text("".join(f"{gene}\n" for gene in self.adata.var_names))

    def _embeddings(self) -> pd.DataFrame:
        columns = {
            f"{of}_{method}_{axis + 1}": self.adata.obsm[key + end][:, axis]
            for of, end in (("latent", ""), ("genes", keys.OF_GENES))
            for method, key in (("umap", keys.UMAP), ("tsne", keys.TSNE))
            for axis in (0, 1)
            if key + end in self.adata.obsm
        }
        return pd.DataFrame(columns, index=self.adata.obs_names.rename("sample"))

    def write_about(self, work: Path, *, seconds: dict[str, float]) -> None:
        """Write ``run.json``: what was done, with what, and what to be careful about."""
        import torch

        model = self.models[self.name]
        genes = "\n".join(self.adata.var_names)
        tested = int(self.of_model("q_value").notna().sum())
        about: dict[str, Any] = {
            "schema": folder.SCHEMA,
            "name": self.recipe.name,
            "recipe": self.recipe.to_tables(),
            "seed": self.recipe.seed,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
            "device": str(next(iter(model.state_dict().values())).device),
            "threads": torch.get_num_threads(),
            "reading": recorded(self.adata).get("reading", {}),
            "findings": recorded(self.adata).get("findings", []),
            "genes_sha256": hashlib.sha256(genes.encode()).hexdigest(),
            "splits": split_sizes(self.adata),
            "model": {
                "name": self.name,
                "n_parameters": sum(p.numel() for p in model.parameters()),
                "stopped": model.history.stopped,
                "best_epoch": model.history.best_epoch,
                "seconds": round(sum(row["seconds"] for row in model.history.rows), 3),
            },
            "entropy_floor": self._entropy_floor() if model.likelihood == "bernoulli" else None,
            "label": self.recipe.data.label,
            "normal": list(self.recipe.data.normal),
            "anomalies": list(self.recipe.data.anomalies),
            "fdr": self.recipe.scores.fdr,
            "flagged": {
                "tested": tested,
                "flagged": int(self.of_model("flagged").sum()),
            },
            "combined": str(self.detectors[self.name].combination),
            "cross_fitted": bool(tested == self.adata.n_obs),
            "evaluation": self.card
            and {
                "test": self.card.n_test,
                "held_out": self.card.n_held_out,
                "notes": list(self.card.notes),
            },
            "warnings": self._warnings(),
            "seconds": seconds,
        }
        (work / folder.ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")

    def _entropy_floor(self) -> float | None:
        """The lowest cross-entropy that any model can reach on the validation samples."""
        from scipy.special import entr

        x_ng = np.asarray(self.adata.X)[self.adata.obs[keys.SPLIT] == keys.VALIDATION]
        x_ng = x_ng.astype(np.float64)
        return float((entr(x_ng) + entr(1 - x_ng)).sum(1).mean()) if len(x_ng) else None

    def _warnings(self) -> list[str]:
        """What a reader of the report must know before believing it."""
        said = []
        fdr, tested = self.recipe.scores.fdr, int(self.of_model("q_value").notna().sum())
        needed = int(np.ceil(self.smallest_p * tested / fdr))
        if needed > 1:
            flags = (
                f"samples are flagged only if at least {needed} of the {tested} tested are that "
                "extreme."
                if needed <= tested
                else "no sample can be flagged."
            )
            said.append(
                f"With {round(1 / self.smallest_p) - 1} calibration samples no p-value is below "
                f"{self.smallest_p:.2g}: at a false-discovery rate of {fdr:g}, {flags}"
            )
        column = self.recipe.scores.conditional_on
        unknown_n = self.of_model("p_value").isna() & self.adata.obs[keys.SPLIT].isin(TESTED)
        if column and unknown_n.any():
            said.append(
                f"{int(unknown_n.sum())} samples have no p-value: no calibration sample shares "
                f"their value of {column!r} ({self.adata.obs[column][unknown_n].iloc[0]}, ...)."
            )
        if self.recipe.data.contamination:
            said.append(
                f"The strangest {self.recipe.data.contamination:.0%} of the reference samples were "
                "not learned from (data.contamination). If fewer are anomalous than that, p-values "
                "are too small by up to as much."
            )
        if not self.recipe.data.normal:
            said.append(
                "No labels say which samples are normal, so each is compared with a cohort that "
                "may hold others as strange. Read the scores as a ranking; flags need a reference "
                "cohort (data.normal)."
            )
        return [*said, *(self.card.alarms if self.card else ())]


def _write_card(card: Card, work: Path) -> None:
    io.write_table(card.table.set_index("encoder"), work / "evaluation.tsv")
    for table, name in (
        (card.genes, "evaluation_genes.tsv.gz"),
        (card.samples, "evaluation_samples.tsv.gz"),
        (card.features, "latent_features.tsv"),
    ):
        if len(table):
            io.write_table(table, work / name)


def split_sizes(adata: AnnData) -> dict[str, int]:
    """Samples in each split."""
    order = [keys.TRAIN, keys.VALIDATION, keys.CALIBRATION, keys.TEST, keys.QUERY]
    return {name: int((adata.obs[keys.SPLIT] == name).sum()) for name in order}
