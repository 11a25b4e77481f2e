"""What a run found, and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like import anomaly, io, pp
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.evaluation import EvaluationReport
from tybalt_like.explain import FOLDER as EXPLAINED
from tybalt_like.explain import Explained
from tybalt_like.models import Model
from tybalt_like.report.run_contents import NORM
from tybalt_like.run import folder, on_disk
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.tables import write_tables
from tybalt_like.tl.cross_fit import Detected
from tybalt_like.tl.score import write_scores
from tybalt_like.tl.scorer import MODEL, NORMALISER, Scorer

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Results:
    """What a run found.

    Attributes
    ----------
    adata
        Normalised, with split, latents and reconstructions of every model.
    normaliser
        Of the recipe's model.
    models
        By name: the recipe's model, and the baseline that its encoding is compared with.
    scorers
        By name: the default detector, and the recipe's model as one.
    detected
        What a detector that was calibrated with all reference samples says and expects: the
        recipe's model if that decides and could be, the default one otherwise.
    scores
        Of all scorers, and the norm of the standardised row: the long table (`anomaly.scores`).
    genes
        What makes the flagged or strangest samples strange (`anomaly.gene_scores`).
    closest
        The closest normal profiles of the same samples, genes x samples, on the scale of `genes`.
    nearest
        The reference samples that are most like each of them (`tl.closest_reference`).
    gene_values
        Every sample, and the genes that are among those of most samples of `genes`, on that scale.
    gene_sets
        The same by gene set (`tl.explain_gene_sets`); empty if the recipe names none.
    evaluation
        What the encoding is worth (`tl.evaluate`), if it was measured.
    again
        The recipe's model trained with other seeds.
    explained
        What its features mean.
    everyone
        Of a cohort most of which stays on disk, all samples, normalised, with split and latents;
        `adata` then has those that are held in memory, of which all else is about but `scores`.
    others
        Those that are not held but strange enough to be shown, as in `adata`.
    """

    recipe: Recipe
    adata: AnnData
    normaliser: pp.Normaliser
    models: Mapping[str, Model] = field(default_factory=dict)
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    detected: Detected | None = None
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    genes: pd.DataFrame = field(default_factory=pd.DataFrame)
    closest: pd.DataFrame = field(default_factory=pd.DataFrame)
    nearest: pd.DataFrame = field(default_factory=pd.DataFrame)
    gene_values: pd.DataFrame = field(default_factory=pd.DataFrame)
    gene_sets: pd.DataFrame = field(default_factory=pd.DataFrame)
    evaluation: EvaluationReport | None = None
    again: tuple[Model, ...] = ()
    explained: Explained | None = None
    everyone: AnnData | None = None
    others: AnnData | None = None

    @property
    def whole(self) -> AnnData:
        """All samples, with split and latents."""
        return self.adata if self.everyone is None else self.everyone

    @property
    def shown(self) -> AnnData:
        """The samples of pages, figures and tables."""
        import anndata

        if self.others is None:
            return self.adata
        both = [self.adata, self.others]
        return anndata.concat(both, merge="first", uns_merge="first")

    def with_others(self, strange: AnnData) -> Results:
        """Also about samples, as read, that are not held."""
        assert self.detected is not None  # that is how they were found
        others = on_disk.encoded(strange, self.normaliser, self.models.values())
        return replace(self, others=others, detected=self.detected.with_others(strange))

    @property
    def name(self) -> str:
        """Name of the recipe's model."""
        return self.recipe.model.name

    @property
    def decides(self) -> str:
        """Name of the scorer whose p-values say which samples are strange."""
        return self.name if self.recipe.scores.detector == "model" else keys.DEFAULT

    @property
    def detector(self) -> anomaly.Detector:
        """That of the scorer that decides."""
        return self.scorers[self.decides].detector

    def call(self, what: str = "value") -> pd.Series:
        """Of the combined score of the scorer that decides, by sample."""
        return tables.of(self.scores, self.decides, what=what)

    @property
    def normals(self) -> pd.Series:
        """The reference samples that no scorer in the tables has learned from, by sample."""
        split = self.whole.obs[keys.SPLIT]
        official = self.recipe.split.by
        whole = all(one.detector.calibration.m == self.m for one in self.scorers.values())
        known: pd.Series = split != keys.QUERY if whole and not official else split == keys.TEST
        return known & self.call().reindex(split.index).notna()  # of many, some are left out

    @property
    def m(self) -> int:
        """Reference samples that calibrate."""
        return self.detector.calibration.m

    @property
    def pooled(self) -> bool:
        """Whether every sample was compared with all others: nothing says what is normal."""
        split = self.whole.obs[keys.SPLIT][self.tested.index]
        held = split.index.isin(self.adata.obs_names)
        return int(held.sum()) == self.m and not (split == keys.QUERY).any()

    def metrics(self) -> pd.DataFrame:
        """How well every score finds the named anomalies among the held-out normals, the combined
        score of each scorer first, that of the one that decides on top.

        ``ahead`` and ``ahead_error``: the AUROC of that one less the row's, with the standard
        error of the difference on the same samples (DeLong).
        """
        obs, label = self.whole.obs, self.recipe.data.label
        known = self.scores[["model", "score"]].drop_duplicates()
        order = [self.decides, *(name for name in self.scorers if name != self.decides), ""]
        pairs = sorted(
            zip(known["model"], known["score"], strict=True),
            key=lambda pair: (order.index(pair[0]), pair[1] != tables.COMBINED),
        )
        found: dict[tuple[str, str], pd.Series] = {
            (model, score): tables.of(self.scores, model, score).reindex(obs.index)
            for model, score in pairs
        }
        label_n = np.asarray(obs[label].astype(str) if label else [""] * len(obs), dtype=object)
        normal_n, anomalies = self.normals.to_numpy(), self.recipe.data.anomalies
        table = anomaly.detection_metrics(
            found, label_n=label_n.tolist(), normal_n=normal_n, anomalies=anomalies
        )
        names = pd.DataFrame(table["detector"].to_list(), columns=["model", "score"])
        whole, decides = anomaly.together(anomalies), found[self.decides, tables.COMBINED]
        ahead = []
        for pair, strange in zip(table["detector"], table["anomaly"], strict=True):
            labels = list(anomalies) if strange == whole else [strange]
            strange_n = np.isin(label_n, labels) & ~normal_n
            used_n = normal_n | strange_n
            ahead.append(
                anomaly.auroc_difference(decides[used_n], found[pair][used_n], strange_n[used_n])
            )
        differences = pd.DataFrame(ahead, columns=["ahead", "ahead_error"])
        return pd.concat([names, table.drop(columns="detector"), differences], axis=1)

    def write(self, work: Path) -> None:
        """Tables for people, and all that scoring new samples on another machine needs."""
        write_tables(self, work)
        if self.explained is not None:
            (work / EXPLAINED).mkdir(exist_ok=True)
            self.explained.write(work / EXPLAINED)
        self.save(work)
        slim = self.shown.copy()
        write_scores(slim, self.scores)
        for name in self.models:
            del slim.layers[keys.reconstruction(name)]
        io.write_h5ad(slim, work / "adata.h5ad")

    def save(self, work: Path) -> None:
        """What encodes and scores new samples (`Run.load`)."""
        self.normaliser.save(work / NORMALISER)
        self.models[self.name].save(work / MODEL)
        norm_of(self.adata).save(work / folder.NORM_FILE)
        for name, scorer in self.scorers.items():
            scorer.save(work / folder.SCORERS / name)

    @property
    def tested(self) -> pd.Series:
        """Combined scores of the samples that were asked about, the strangest first."""
        tested: pd.Series = self.call()[self.call("q_value").notna()]
        return tested.sort_values(ascending=False, kind="stable")

    @property
    def beyond(self) -> pd.Series:
        """Those that are stranger than every reference sample (but themselves)."""
        beyond: pd.Series = self.tested[self.tested > self.detector.calibration_scores.max()]
        return beyond


def norm_of(adata: AnnData) -> anomaly.Norm:
    """The norm in units of the training split."""
    return anomaly.Norm.fit(np.asarray(adata.X)[adata.obs[keys.SPLIT] == keys.TRAIN])


def norm_scores(adata: AnnData) -> pd.DataFrame:
    """The norm of the standardised row of every sample, as rows of the long table."""
    norm_n = norm_of(adata).score(np.asarray(adata.X))
    return tables.tabulate({NORM: norm_n}, list(adata.obs_names), model="")
