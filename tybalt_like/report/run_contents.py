"""What the folder of a run over a cohort holds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from tybalt_like.anomaly import View
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.keys import DEFAULT
from tybalt_like.models import Model
from tybalt_like.pl.palette import Style, clean, styles
from tybalt_like.report.contents import Contents
from tybalt_like.report.words import counted, percent

if TYPE_CHECKING:
    from anndata import AnnData

Row = dict[Hashable, Any]
NORM = "norm"
NORM_TITLE = "norm of the standardised row"
"""The score without a model."""
BASELINE = "pca"
HOLD = "Do these p-values hold?"
"""How the gravest of all warnings begins."""


def title(name: str) -> str:
    """Name of a model, or of what stands beside it in a table, as people write it."""
    if name == DEFAULT:
        return "default detector"
    return Model.registry[name].title if name in Model.registry else name.replace("_", " ")


def detector_title(model: str, score: str) -> str:
    """Name of a score of a model as people write it."""
    if not model:
        return NORM_TITLE if score == NORM else score
    own = Model.registry[model].score_titles if model in Model.registry else {}
    written = View.registry[score].title if score in View.registry else score.replace("_", " ")
    return f"{title(model)}: {own.get(score, written)}"


class RunContents(Contents, kind="run"):
    """A run: samples, their latents and scores, maps, detection, genes, training, evaluation."""

    files: ClassVar[Mapping[str, str]] = {
        "scores.tsv": "scores, p- and q-values of every sample, by every detector",
        "gene_scores.tsv.gz": "the genes that make each flagged sample strange",
        "gene_values.tsv.gz": "the same genes in every sample",
        "closest_normal.tsv.gz": "the normal profile nearest to each of these samples",
        "closest_reference.tsv": "the reference samples that are most like each of these samples",
        "sample_checks.tsv": "what the matrix itself tells of every sample, such as copies",
        "gene_set_scores.tsv.gz": "the gene sets that make each flagged sample strange",
        "all_scores.tsv.gz": "the same of all samples, also of those that stayed on disk",
        "latent.tsv.gz": "latent features of every sample, with the clinical columns",
        "all_latent.tsv.gz": "the same features of all samples, also of those that stayed on disk",
        "gene_weights.tsv.gz": "weight of every gene in every latent feature",
        "explained/feature_cards.tsv": "what each latent feature means, with its evidence",
        "metrics.tsv": "how well each score finds the named anomalies",
        "evaluation.tsv": "what the encoding is worth: every measurement, for every encoder",
        "evaluation_genes.tsv.gz": "how well each test gene is reconstructed, by every encoder",
        "evaluation_samples.tsv.gz": "how well each test sample is reconstructed, by every encoder",
        "latent_features.tsv": "variance, KL divergence and activity of every latent feature",
        "images.npz": "the pictures of the sections on images, as arrays",
        "images.tsv": "the measurements of those sections",
        "embeddings.tsv.gz": "UMAP, t-SNE and PCA coordinates",
        "history.csv": "losses of every epoch",
        "adata.h5ad": "everything as one AnnData file, with all digits; the tables have seven",
        "run.json": "recipe, versions, timings, warnings",
        "tybalt_like_mqc.json": "the tested samples for MultiQC, which finds the file by its name",
        "genes.txt": "the genes that the model sees, in order",
    }
    text: ClassVar[frozenset[str]] = frozenset(
        {
            *("sample", "gene", "model", "score", "anomaly", "column", "set"),
            *("feature", "level", "symbol", "reference", "same profile as"),
        }
    )

    def beside(self) -> dict[str, str]:
        from tybalt_like.report import multiqc

        return {multiqc.FILE: multiqc.custom_content(self)} if self.tested.any() else {}

    def text_columns(self) -> frozenset[str]:
        return self.text | ({self.label} if self.label else set())

    @property
    def lead(self) -> str:
        """How many samples are flagged."""
        tested, flagged = self.about["flagged"]["tested"], self.about["flagged"]["flagged"]
        if not tested:
            return "No sample was left to be tested."
        rate = f"at a false-discovery rate of {percent(self.about['fdr'])}"
        of = f"of {counted(tested, 'tested sample')}"
        if not flagged:
            return f"None {of} is flagged as anomalous, {rate}; {self._beyond}."
        verb, share = "is" if flagged == 1 else "are", percent(flagged / tested)
        return f"{flagged:,} {of} ({share}) {verb} flagged as anomalous, {rate}; {self._beyond}."

    @property
    def _beyond(self) -> str:
        """How many are stranger than the whole reference."""
        if self.all_tested:
            return "each was compared with all others, and the strangest are listed first"
        beyond, reference = self.about["flagged"]["beyond"], self.about["detector"]["reference"]
        verb = "is" if beyond == 1 else "are"
        return f"{beyond:,} {verb} stranger than every one of the {reference:,} reference samples"

    @property
    def decides(self) -> str:
        """Name of the scorer whose p-values say which samples are strange."""
        return str(self.about["detector"]["name"])

    @property
    def model(self) -> str:
        """Registered name of the model."""
        return str(self.about["model"]["name"])

    @property
    def label(self) -> str | None:
        """Column of the labels."""
        label = self.about["label"]
        return None if label is None else str(label)

    @property
    def of_images(self) -> bool:
        """Whether the samples are images, whose pixels are looked at as pictures."""
        return bool(self.about["images"])

    @property
    def all_tested(self) -> bool:
        """True if no label says what is normal: each sample was compared with all others."""
        return bool(self.about["detector"]["pooled"])

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per sample: ``split`` and the clinical columns."""
        features = set(self.about["features"])
        table = self.needed("latent.tsv.gz", index="sample")
        return table[[column for column in table if column not in features]]

    @cached_property
    def latent(self) -> pd.DataFrame:
        """One row per sample, one column per latent feature."""
        features: list[str] = self.about["features"]
        return self.needed("latent.tsv.gz", index="sample")[features]

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The long table of all scores (`anomaly.scores`)."""
        table = self.needed("scores.tsv", index="sample")
        return tables.long(table, self.about["score_columns"])

    @cached_property
    def _by_score(self) -> dict[Any, pd.DataFrame]:
        """The rows of `scores` by model and score, a row per sample."""
        parts = self.scores.groupby(["model", "score"], sort=False)
        return {names: rows.set_index("sample") for names, rows in parts}

    def score(self, what: str = "value", *, model: str | None = None) -> pd.Series:
        """Of the combined score of the scorer that decides, or another, by sample."""
        return self._rows(model or self.decides, tables.COMBINED)[what]

    def value(self, model: str, score: str) -> pd.Series:
        """One score by sample; empty if the run has none of that name."""
        return self._rows(model, score)["value"]

    def _rows(self, model: str, score: str) -> pd.DataFrame:
        found = self._by_score.get((model, score))
        return self.scores[:0].set_index("sample") if found is None else found

    @cached_property
    def maps(self) -> pd.DataFrame:
        """One row per sample: ``<latent or genes>_<umap, tsne or pca>_<1 or 2>``."""
        return self.needed("embeddings.tsv.gz", index="sample")

    @cached_property
    def gene_values(self) -> pd.DataFrame:
        """One row per sample, one column per gene that makes samples strange, those of most
        samples first; on the scale of the tables of genes. Empty if the run has written none."""
        return self.table("gene_values.tsv.gz", index="sample")

    @cached_property
    def symbols(self) -> dict[str, str]:
        """What people call the genes of the tables, where they have a symbol."""
        genes = self.needed("gene_scores.tsv.gz")
        if "symbol" not in genes:
            return {}
        return dict(genes[["gene", "symbol"]].dropna().itertuples(index=False, name=None))

    @cached_property
    def labels(self) -> pd.Series:
        """Label of every sample as text; empty where there is none."""
        if self.label is None:
            return pd.Series("", index=self.samples.index)
        return clean(self.samples[self.label])

    @cached_property
    def palette(self) -> dict[str, Style]:
        """Style of every label: the normal ones first, then the named anomalies."""
        return styles(self.labels, first=[*self.about["normal"], *self.about["anomalies"]])

    @cached_property
    def tested(self) -> pd.Series:
        """True for the samples that were asked about: they have a q-value."""
        return self.score("q_value").notna()

    @cached_property
    def flagged(self) -> pd.Series:
        """True for the samples called anomalous."""
        return self.score("flagged").astype(bool)

    @cached_property
    def normals(self) -> pd.Series:
        """True for the reference samples that known anomalies are compared with: no scorer in the
        tables has learned from them."""
        split = self.samples[keys.SPLIT]
        known = split != keys.QUERY
        if self.about["detector"]["normals"] != "reference":
            known = split == keys.TEST
        return known & ~self._chosen

    @cached_property
    def _chosen(self) -> pd.Series:
        """True for samples that are shown because they are strange: they are like no others."""
        chosen = self.about.get("shown_too", [])
        return pd.Series(self.samples.index.isin(chosen), index=self.samples.index)

    @cached_property
    def reference(self) -> pd.Series:
        """True for the reference samples whose scores by the scorer that decides were measured by
        what was learned without them: all of them, if it was calibrated with all."""
        known: pd.Series = (self.samples[keys.SPLIT] != keys.QUERY) & ~self._chosen
        whole = int(known.sum()) == self.about["detector"]["reference"]
        return known if whole else self.normals

    def title(self, name: str | None = None) -> str:
        """Name of an encoder, of the run's model if None, as people write it."""
        return self.worded(title(name or self.model))

    def worded(self, text: str) -> str:
        """A text about genes, about pixels if the samples are images."""
        return text.replace("genes", "pixels") if self.of_images else text

    def adata(self) -> AnnData:
        """Samples without expression: obs, latents and embeddings, for the figures."""
        from anndata import AnnData

        obsm = {keys.latent(self.model): self.latent.to_numpy()}
        for of, suffix in (("latent", ""), ("genes", keys.OF_GENES)):
            for method, key in (("umap", keys.UMAP), ("tsne", keys.TSNE)):
                pair = [f"{of}_{method}_{i}" for i in (1, 2)]
                if set(pair) <= set(self.maps):
                    obsm[key + suffix] = self.maps[pair].to_numpy()
        return AnnData(obs=self.samples.copy(), obsm=obsm)
