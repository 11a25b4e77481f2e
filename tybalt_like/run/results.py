"""What a run found, and how it is written down."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tybalt_like import anomaly, io, pp
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.files import write_text
from tybalt_like.core.provenance import is_images
from tybalt_like.evaluation import EvaluationReport
from tybalt_like.evaluation.comparison import summarise
from tybalt_like.models import Model
from tybalt_like.report.run_contents import NORM, title
from tybalt_like.run import folder
from tybalt_like.run.about import write_about
from tybalt_like.run.cohort import split_sizes
from tybalt_like.run.recipe import Recipe
from tybalt_like.tl.score import write_scores

if TYPE_CHECKING:
    from anndata import AnnData

TESTED = (keys.TEST, keys.QUERY)


@dataclass(frozen=True)
class Results:
    """What a run found.

    Attributes
    ----------
    adata
        Normalised, with split, latents and reconstructions of every model.
    models, detectors
        By name: the recipe's model, and the baseline beside it.
    scores
        Of all models, and the norm of the standardised row: the long table (`anomaly.scores`).
    smallest_p
        No sample can have a smaller p-value; it follows from the calibration samples.
    genes
        What makes the flagged or strangest samples strange (`anomaly.gene_scores`).
    gene_sets
        The same by gene set (`tl.explain_gene_sets`); empty if the recipe names none.
    evaluation
        What the encoding is worth (`tl.evaluate`), if it was measured.
    """

    recipe: Recipe
    adata: AnnData
    normaliser: pp.Normaliser
    models: Mapping[str, Model]
    detectors: Mapping[str, anomaly.Detector]
    scores: pd.DataFrame
    smallest_p: float
    genes: pd.DataFrame = field(default_factory=pd.DataFrame)
    gene_sets: pd.DataFrame = field(default_factory=pd.DataFrame)
    evaluation: EvaluationReport | None = None

    @property
    def name(self) -> str:
        """Name of the recipe's model."""
        return self.recipe.model.name

    def score(self, what: str = "value") -> pd.Series:
        """Of the combined score of the recipe's model, by sample."""
        return tables.of(self.scores, self.name, what=what)

    def metrics(self) -> pd.DataFrame:
        """How well every score finds the named anomalies among the test samples, the combined
        score of each model first."""
        obs, label = self.adata.obs, self.recipe.data.label
        known = self.scores[["model", "score"]].drop_duplicates()
        pairs = sorted(
            zip(known["model"], known["score"], strict=True),
            key=lambda pair: ([*self.models, ""].index(pair[0]), pair[1] != tables.COMBINED),
        )
        found: dict[tuple[str, str], pd.Series] = {
            (model, score): tables.of(self.scores, model, score).reindex(obs.index)
            for model, score in pairs
        }
        table = anomaly.detection_metrics(
            found,
            label_n=[str(value) for value in obs[label]] if label else [""] * len(obs),
            normal_n=np.asarray(obs[keys.SPLIT] == keys.TEST),
            anomalies=self.recipe.data.anomalies,
        )
        names = pd.DataFrame(table["detector"].to_list(), columns=["model", "score"])
        return pd.concat([names, table.drop(columns="detector")], axis=1)

    def write(self, work: Path) -> None:
        """Tables for people, and all that scoring new samples on another machine needs."""
        self._write_tables(work)
        self.normaliser.save(work / folder.NORMALISER)
        for name, model in self.models.items():
            own = name == self.name
            model.save(work / (folder.MODEL if own else folder.BASELINE_MODEL))
            detector = folder.DETECTOR if own else folder.BASELINE_DETECTOR
            self.detectors[name].save(work / detector)
        slim = self.adata.copy()
        write_scores(slim, self.scores)
        for name in self.models:
            del slim.layers[keys.reconstruction(name)]
        io.write_h5ad(slim, work / "adata.h5ad")

    def _write_tables(self, work: Path) -> None:
        obs, label = self.adata.obs.rename_axis("sample"), self.recipe.data.label
        first = [keys.SPLIT] + ([label] if label else [])
        clinical = obs[first + [column for column in obs if column not in first]]
        latent = folder.latent_table(self.adata, self.name)
        weights = pd.DataFrame(
            self.adata.varm[keys.weights(self.name)].T,
            index=latent.columns.rename("feature"),
            columns=self.adata.var_names,
        )
        wide = tables.wide(self.scores).reindex(obs.index)
        io.write_table(pd.concat([clinical, latent], axis=1), work / "latent.tsv.gz")
        io.write_table(pd.concat([obs[first], wide], axis=1), work / "scores.tsv")
        io.write_table(weights, work / "gene_weights.tsv.gz")
        io.write_table(self._embeddings(), work / "embeddings.tsv.gz")
        io.write_table(self.metrics().set_index("model"), work / "metrics.tsv")
        io.write_table(self.genes.set_index("sample"), work / "gene_scores.tsv.gz")
        if len(self.gene_sets):
            io.write_table(self.gene_sets.set_index("sample"), work / "gene_set_scores.tsv.gz")
        if self.evaluation is not None:
            _write_evaluation(self.evaluation, work)
        history = self.models[self.name].history.frame()
        io.write_table(history.set_index(history.columns[0]), work / "history.csv")
        write_text(work / "genes.txt", "".join(f"{gene}\n" for gene in self.adata.var_names))

    def _embeddings(self) -> pd.DataFrame:
        columns = {
            f"{of}_{method}_{axis + 1}": self.adata.obsm[key + end][:, axis]
            for of, end in (("latent", ""), ("genes", keys.OF_GENES))
            for method, key in (("umap", keys.UMAP), ("tsne", keys.TSNE))
            for axis in (0, 1)
            if key + end in self.adata.obsm
        }
        return pd.DataFrame(columns, index=self.adata.obs_names.rename("sample"))

    def write_about(self, work: Path, *, seconds: Mapping[str, float]) -> None:
        """Write ``run.json``: what was done, with what, and what to be careful about."""
        model, recipe = self.models[self.name], self.recipe
        write_about(
            work,
            kind=folder.KIND,
            name=recipe.name,
            recipe=recipe.to_tables(),
            seed=recipe.seed,
            adata=self.adata,
            summary=self._summary(),
            warnings=self._warnings(),
            facts=self._facts(),
            seconds=seconds,
            device=str(next(iter(model.state_dict().values())).device),
            threads=_threads(),
            splits=split_sizes(self.adata.obs[keys.SPLIT].to_list()),
            model={
                "name": self.name,
                "stopped": model.history.stopped,
                "best_epoch": model.history.best_epoch,
            },
            features=list(folder.latent_table(self.adata, self.name).columns),
            score_columns=list(tables.columns(self.scores)),
            entropy_floor=self._entropy_floor() if model.likelihood == "bernoulli" else None,
            label=recipe.data.label,
            normal=list(recipe.data.normal),
            anomalies=list(recipe.data.anomalies),
            images=is_images(self.adata),
            fdr=recipe.scores.fdr,
            flagged={"tested": self._n_tested, "flagged": int(self.score("flagged").sum())},
            combined=str(self.detectors[self.name].combination),
            cross_fitted=bool(self._n_tested == self.adata.n_obs),
            evaluation=self.evaluation
            and {
                "test": self.evaluation.n_test,
                "held_out": self.evaluation.n_held_out,
                "notes": list(self.evaluation.notes),
            },
        )

    @property
    def _n_tested(self) -> int:
        return int(self.score("q_value").notna().sum())

    def _facts(self) -> dict[str, Any]:
        model, genes = self.models[self.name], "\n".join(self.adata.var_names)
        return {
            "model": model.title,
            "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
            "training": model.history.stopped,
            "seed": self.recipe.seed,
            "device": str(next(iter(model.state_dict().values())).device),
            "threads": _threads(),
            "genes (SHA-256)": hashlib.sha256(genes.encode()).hexdigest()[:16],
        }

    def _summary(self) -> list[str]:
        """What was found, in sentences."""
        said = [
            f"{int(self.score('flagged').sum())} of {self._n_tested} tested samples flagged at a "
            f"false-discovery rate of {self.recipe.scores.fdr:g}"
        ]
        if self.evaluation is not None:
            said += summarise(self.evaluation.table, model=self.name, title=title)[:1]
        return said

    def _entropy_floor(self) -> float | None:
        """The lowest cross-entropy that any model can reach on the validation samples."""
        from scipy.special import entr

        x_ng = np.asarray(self.adata.X)[self.adata.obs[keys.SPLIT] == keys.VALIDATION]
        x_ng = x_ng.astype(np.float64)
        return float((entr(x_ng) + entr(1 - x_ng)).sum(1).mean()) if len(x_ng) else None

    def _warnings(self) -> list[str]:
        """What a reader of the page must know before believing it."""
        said = []
        fdr, tested = self.recipe.scores.fdr, self._n_tested
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
        obs = self.adata.obs
        unknown_n = self.score("p_value").reindex(obs.index).isna()
        unknown_n &= obs[keys.SPLIT].isin(TESTED)
        if column and unknown_n.any():
            said.append(
                f"{int(unknown_n.sum())} samples have no p-value: no calibration sample shares "
                f"their value of {column!r} ({obs[column][unknown_n].iloc[0]}, ...)."
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
        return [*said, *(self.evaluation.alarms if self.evaluation else ())]


def norm_scores(adata: AnnData) -> pd.DataFrame:
    """The norm of the standardised row of every sample, as rows of the long table."""
    x_ng = np.asarray(adata.X)
    train_n = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
    norm_n = anomaly.standardised_norm(x_ng, x_ng[train_n])
    return tables.tabulate({NORM: norm_n}, list(adata.obs_names), model="")


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _write_evaluation(found: EvaluationReport, work: Path) -> None:
    io.write_table(found.table.set_index("encoder"), work / "evaluation.tsv")
    for table, name in (
        (found.genes, "evaluation_genes.tsv.gz"),
        (found.samples, "evaluation_samples.tsv.gz"),
        (found.features, "latent_features.tsv"),
    ):
        if len(table):
            io.write_table(table, work / name)
