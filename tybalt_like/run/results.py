"""What a run found, and how it is written down."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tybalt_like import anomaly, io, pp
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.files import write_text
from tybalt_like.core.provenance import is_images, recorded
from tybalt_like.evaluation import EvaluationReport
from tybalt_like.evaluation.comparison import summarise
from tybalt_like.explain import FOLDER as EXPLAINED
from tybalt_like.explain import Explained
from tybalt_like.models import Model
from tybalt_like.report.run_contents import BASELINE, HOLD, NORM, title
from tybalt_like.report.words import counted, sentence
from tybalt_like.run import folder, on_disk
from tybalt_like.run.about import write_about
from tybalt_like.run.calls import NAMED, strangest
from tybalt_like.run.cohort import split_sizes
from tybalt_like.run.recipe import Recipe
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
        whole = all(one.detector.calibration.m == self._m for one in self.scorers.values())
        known: pd.Series = split != keys.QUERY if whole and not official else split == keys.TEST
        return known & self.call().reindex(split.index).notna()  # of many, some are left out

    @property
    def _m(self) -> int:
        """Reference samples that calibrate."""
        return self.detector.calibration.m

    @property
    def pooled(self) -> bool:
        """Whether every sample was compared with all others: nothing says what is normal."""
        split = self.whole.obs[keys.SPLIT][self._tested.index]
        held = split.index.isin(self.adata.obs_names)
        return int(held.sum()) == self._m and not (split == keys.QUERY).any()

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
        self._write_tables(work)
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

    def _write_tables(self, work: Path) -> None:
        shown, label = self.shown, self.recipe.data.label
        obs = shown.obs.rename_axis("sample")
        first = [keys.SPLIT] + ([label] if label else [])
        clinical = obs[first + [column for column in obs if column not in first]]
        latent = folder.latent_table(shown, self.name)
        weights = pd.DataFrame(
            self.adata.varm[keys.weights(self.name)].T,
            index=latent.columns.rename("feature"),
            columns=self.adata.var_names,
        )
        wide = tables.wide(self.scores)
        if self.everyone is not None:
            encoded = folder.latent_table(self.everyone, self.name)
            io.write_table(io.shortened(encoded), work / "all_latent.tsv.gz")
            scored = self.everyone.obs[first].rename_axis("sample").join(io.shortened(wide))
            io.write_table(scored, work / "all_scores.tsv.gz")
        wide = wide.reindex(obs.index)
        wide, short = io.shortened(wide), io.shortened(latent)  # clinical columns stay as they are
        io.write_table(pd.concat([clinical, short], axis=1), work / "latent.tsv.gz")
        io.write_table(pd.concat([obs[first], wide], axis=1), work / "scores.tsv")
        for table, name in (
            (weights, "gene_weights.tsv.gz"),
            (self._embeddings(shown), "embeddings.tsv.gz"),
            (self.metrics().set_index("model"), "metrics.tsv"),
            (self.genes.set_index("sample"), "gene_scores.tsv.gz"),
            (self.closest, "closest_normal.tsv.gz"),
            (self.nearest.set_index("sample"), "closest_reference.tsv"),
        ):
            io.write_table(io.shortened(table), work / name)
        if keys.MEASURED in shown.obsm:
            io.write_table(io.shortened(self._checks(shown)), work / "sample_checks.tsv")
        if not is_images(self.adata):
            io.write_table(io.shortened(self.gene_values), work / "gene_values.tsv.gz")
        if len(self.gene_sets):
            sets = io.shortened(self.gene_sets.set_index("sample"))
            io.write_table(sets, work / "gene_set_scores.tsv.gz")
        if self.evaluation is not None:
            _write_evaluation(self.evaluation, work)
        history = io.shortened(self.models[self.name].history.frame())
        io.write_table(history.set_index(history.columns[0]), work / "history.csv")
        write_text(work / "genes.txt", "".join(f"{gene}\n" for gene in self.adata.var_names))

    def _checks(self, shown: AnnData) -> pd.DataFrame:
        """What the matrix itself tells of every sample, and why one could doubt it."""
        measured, read = shown.obsm[keys.MEASURED], recorded(shown)
        copies = {
            name: ", ".join(other for other in together if other != name)
            for together in read.get(keys.SAME, [])
            for name in together
        }
        checks: pd.DataFrame = measured.rename_axis("sample").assign(
            **{"same profile as": [copies.get(str(name), "") for name in measured.index]}
        )
        contradicted = read.get(keys.CONTRADICTED, [])
        return checks.assign(**{"contradicts its sex": checks.index.isin(contradicted)})

    def _embeddings(self, shown: AnnData) -> pd.DataFrame:
        columns = {
            f"{of}_{method}_{axis + 1}": shown.obsm[key + end][:, axis]
            for of, end in (("latent", ""), ("genes", keys.OF_GENES))
            for method, key in (("umap", keys.UMAP), ("tsne", keys.TSNE))
            for axis in (0, 1)
            if key + end in shown.obsm
        }
        main_nk = shown.obsm[keys.latent(BASELINE)]
        if main_nk.shape[1] > 1:
            columns |= {f"genes_pca_{axis + 1}": main_nk[:, axis] for axis in (0, 1)}
        return pd.DataFrame(columns, index=shown.obs_names.rename("sample"))

    def write_about(
        self, work: Path, *, inputs: Mapping[str, Any], seconds: Mapping[str, float]
    ) -> None:
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
            inputs=inputs,
            discloses=self._discloses(),
            device=str(next(iter(model.state_dict().values())).device),
            threads=_threads(),
            splits=split_sizes(self.whole.obs[keys.SPLIT].to_list()),
            held=self.adata.n_obs,
            shown_too=[] if self.others is None else list(self.others.obs_names),
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
            scorers=list(self.scorers),
            detector=self._about_detector(),
            flagged={
                "tested": len(self._tested),
                "flagged": int(self.call("flagged").sum()),
                "beyond": len(self._beyond),
            },
            evaluation=self.evaluation
            and {
                "test": self.evaluation.n_test,
                "held_out": self.evaluation.n_held_out,
                "notes": list(self.evaluation.notes),
            },
        )

    @property
    def _tested(self) -> pd.Series:
        """Combined scores of the samples that were asked about, the strangest first."""
        tested: pd.Series = self.call()[self.call("q_value").notna()]
        return tested.sort_values(ascending=False, kind="stable")

    @property
    def _beyond(self) -> pd.Series:
        """Those that are stranger than every reference sample (but themselves)."""
        beyond: pd.Series = self._tested[self._tested > self.detector.calibration_scores.max()]
        return beyond

    def _about_detector(self) -> dict[str, Any]:
        """What the page says of the scorer that decides."""
        detector = self.detector
        return {
            "name": self.decides,
            "views": list(detector.combination.views),
            "combined": str(detector.combination),
            "reference": self._m,
            "units": detector.calibration.size,
            "group": self.recipe.split.group,
            "smallest_p": detector.calibration.smallest,
            "extrapolates": detector.calibration.extrapolates,
            "rule": detector.calibration.rule,
            "log2": self.scorers[self.decides].normaliser.is_log2,
            "domain": self._domain(),
            "left_out": list(self.detected.left_out) if self.detected else [],
            "normals": "reference" if self.normals.sum() == self._m else keys.TEST,
            "pooled": self.pooled,
        }

    def _discloses(self) -> str:
        """What whoever has the folder can read of the samples."""
        return (
            f"Detectors hold the profiles of {counted(self._m, 'reference sample')}, which can be "
            "read back from scorers/, and adata.h5ad those of all samples with the sample table: "
            "give the folder only to those who may see the data."
        )

    def _domain(self) -> dict[str, Any] | None:
        """Whether the p-values of the query hold."""
        verdict = self.detected.verdict if self.detected else None
        return None if verdict is None else asdict(verdict)

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
            f"{int(self.call('flagged').sum())} of {len(self._tested)} tested samples flagged at a "
            f"false-discovery rate of {self.recipe.scores.fdr:g}",
            strangest(
                self.call("p_value")[self._tested.index],
                self.call("extrapolated")[self._tested.index],
                beyond=len(self._beyond),
                reference=self._m,
                pooled=self.pooled,
            ),
        ]
        if self.evaluation is not None:
            said += summarise(self.evaluation.table, model=self.name, title=title)[:1]
        if self.explained is not None:
            said += self.explained.said[:1]
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
        verdict = self.detected.verdict if self.detected else None
        if verdict is not None and verdict.outcome != "fine":
            said.append(f"{HOLD} {sentence(verdict.sentence)}")
        said += [sentence(doubt) for doubt in recorded(self.adata).get("doubts", [])]
        column = self.recipe.scores.conditional_on
        obs = self.whole.obs
        unknown_n = self.call("p_value").reindex(obs.index).isna()
        if column and unknown_n.any():
            said.append(
                f"{int(unknown_n.sum())} samples have no p-value: no calibration sample shares "
                f"their value of {column!r} ({obs[column][unknown_n].iloc[0]}, ...)."
            )
        if self.detected is not None and self.detected.left_out:
            names = ", ".join(self.detected.left_out[:NAMED])
            names += ", ..." * (len(self.detected.left_out) > NAMED)
            said.append(
                f"{len(self.detected.left_out)} reference samples were too strange to be learned "
                f"from (data.contamination): {names}. They calibrate like all others, which makes "
                "p-values cautious."
            )
        if self.pooled:
            said.append(
                "No label says which samples are normal, so each is compared with all others, "
                "among which there may be some as strange. Read the scores as a ranking; flags "
                "with an error rate need a reference cohort (data.normal)."
            )
        return [*said, *(self.evaluation.alarms if self.evaluation else ())]


def norm_of(adata: AnnData) -> anomaly.Norm:
    """The norm in units of the training split."""
    return anomaly.Norm.fit(np.asarray(adata.X)[adata.obs[keys.SPLIT] == keys.TRAIN])


def norm_scores(adata: AnnData) -> pd.DataFrame:
    """The norm of the standardised row of every sample, as rows of the long table."""
    norm_n = norm_of(adata).score(np.asarray(adata.X))
    return tables.tabulate({NORM: norm_n}, list(adata.obs_names), model="")


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _write_evaluation(found: EvaluationReport, work: Path) -> None:
    io.write_table(io.shortened(found.table.set_index("encoder")), work / "evaluation.tsv")
    for table, name in (
        (found.genes, "evaluation_genes.tsv.gz"),
        (found.samples, "evaluation_samples.tsv.gz"),
        (found.features, "latent_features.tsv"),
    ):
        if len(table):
            io.write_table(io.shortened(table), work / name)
