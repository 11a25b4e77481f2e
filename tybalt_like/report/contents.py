"""The tables of a run folder, as the report reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tybalt_like.core import keys
from tybalt_like.core.errors import RunError
from tybalt_like.images.figure_data import Gallery
from tybalt_like.pl.palette import clean, styles

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.pl.palette import Style

NAMES = {
    "tybalt": "Tybalt",
    "pca": "PCA",
    "beta_vae": "beta-VAE",
    "dcgan": "DCGAN",
    "wgan_gp": "WGAN-GP",
    "anogan": "AnoGAN",
    "f_anogan": "f-AnoGAN",
    "ica": "ICA",
    "nmf": "NMF",
    "mahalanobis": "Mahalanobis",
    "knn": "kNN",
    "kl": "KL",
    "negative_elbo": "negative ELBO",
}
"""Models and scores whose proper names are not their registered ones."""
FILES = {
    "scores.tsv": "scores, p- and q-values of every sample, for the model and for PCA",
    "gene_scores.tsv.gz": "the genes that make each flagged sample strange",
    "gene_set_scores.tsv.gz": "the gene sets that make each flagged sample strange",
    "latent.tsv.gz": "latent features of every sample, with the clinical columns",
    "gene_weights.tsv.gz": "weight of every gene in every latent feature",
    "metrics.tsv": "how well each score finds the named anomalies",
    "evaluation.tsv": "the report card of the encoding: every measurement, for every encoder",
    "evaluation_genes.tsv.gz": "how well each test gene is reconstructed, by every encoder",
    "evaluation_samples.tsv.gz": "how well each test sample is reconstructed, by every encoder",
    "latent_features.tsv": "variance, KL divergence and activity of every latent feature",
    "images.npz": "the pictures of the section on images, as arrays",
    "images.tsv": "the measurements of that section",
    "embeddings.tsv.gz": "UMAP and t-SNE coordinates",
    "history.csv": "losses of every epoch",
    "adata.h5ad": "everything as one AnnData file",
    "run.json": "recipe, versions, timings, warnings",
    "genes.txt": "the genes that the model sees, in order",
}
"""Files of a run folder that a reader may want to open, and what they hold."""


@dataclass(frozen=True)
class Contents:
    """What a run folder says.

    Attributes
    ----------
    about
        ``run.json``.
    samples
        One row per sample: ``split`` and the clinical columns.
    latent
        One row per sample, one column per latent feature.
    scores
        One row per sample: scores, p- and q-values of the model and of PCA, and ``norm``.
    pictures
        One row per sample: ``<latent or genes>_<umap or tsne>_<1 or 2>``.
    metrics, genes, gene_sets, history
        Detection, genes and gene sets of the flagged samples, and training; may be empty.
    card, card_genes, features
        The report card of the encoding, the agreement by gene, and the latent features; empty
        in runs of versions that did not judge it.
    """

    folder: Path
    about: dict[str, Any]
    samples: pd.DataFrame
    latent: pd.DataFrame
    scores: pd.DataFrame
    pictures: pd.DataFrame
    metrics: pd.DataFrame
    genes: pd.DataFrame
    gene_sets: pd.DataFrame
    history: pd.DataFrame
    card: pd.DataFrame
    card_genes: pd.DataFrame
    features: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> Contents:
        """Read a run folder.

        Raises
        ------
        RunError
            If a file is missing or cannot be read.
        """
        try:
            about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            label = about["label"]
            # Names and labels are text, even "001", "1" or "NA".
            text = {"sample": str, "gene": str, "detector": str, "anomaly": str, "column": str}
            text |= {"set": str}
            if label is not None:
                text[label] = str

            def table(name: str, index: str | None = None) -> pd.DataFrame:
                path = folder / name
                sep = "," if name.endswith(".csv") else "\t"
                frame = pd.read_csv(
                    path, sep=sep, dtype=text, keep_default_na=False, na_values=[""]
                )
                return frame if index is None else frame.set_index(index)

            def later(name: str) -> pd.DataFrame:
                return table(name) if (folder / name).exists() else pd.DataFrame()

            latent, scores = table("latent.tsv.gz", "sample"), table("scores.tsv", "sample")
            model = about["model"]["name"]
            features = latent.columns[latent.columns.str.fullmatch(rf"{model}_\d+")]
            clinical = [c for c in scores if c in (keys.SPLIT, label)]
            return cls(
                folder,
                about,
                samples=latent.drop(columns=features),
                latent=latent[features],
                scores=scores.drop(columns=clinical),
                pictures=table("embeddings.tsv.gz", "sample"),
                metrics=table("metrics.tsv"),
                genes=table("gene_scores.tsv.gz"),
                gene_sets=later("gene_set_scores.tsv.gz"),
                history=table("history.csv"),
                card=later("evaluation.tsv"),
                card_genes=later("evaluation_genes.tsv.gz"),
                features=later("latent_features.tsv"),
            )
        except FileNotFoundError as error:
            name = Path(str(error.filename)).name
            raise RunError(f"{folder} is not a whole run: {name} missing; run it again") from None
        except (json.JSONDecodeError, pd.errors.ParserError, KeyError) as error:
            raise RunError(f"{folder} holds a file that cannot be read ({error})") from None

    @property
    def model(self) -> str:
        """Registered name of the model."""
        return str(self.about["model"]["name"])

    @property
    def label(self) -> str | None:
        """Column of the labels."""
        label = self.about["label"]
        return None if label is None else str(label)

    @cached_property
    def gallery(self) -> Gallery:
        """Pictures and measurements of a model of images; empty for other data."""
        return Gallery.load(self.folder)

    @property
    def of_images(self) -> bool:
        """Whether the samples are images, whose pixels are looked at as pictures."""
        return bool(self.gallery.arrays)

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

    @property
    def cross_fitted(self) -> bool:
        """True if every sample was tested, each by a model trained on others."""
        return bool(self.about.get("cross_fitted", False))

    @cached_property
    def held_out(self) -> pd.Series:
        """True for tested samples of the reference cohort."""
        return self.samples[keys.SPLIT] == keys.TEST

    def score(self, name: str) -> pd.Series:
        """A column of the model's scores, for example ``"combined"``."""
        return self.scores[keys.score(self.model, name)]

    def title(self, name: str | None = None) -> str:
        """Name of a detector, or of the model, as people write it."""
        said = title(name or self.model)
        return said.replace("genes", "pixels") if self.of_images else said

    def adata(self) -> AnnData:
        """Samples without expression: obs, latents and embeddings, for the figures."""
        from anndata import AnnData

        obsm = {keys.latent(self.model): self.latent.to_numpy()}
        for of, suffix in (("latent", ""), ("genes", "_genes")):
            for method, key in (("umap", keys.UMAP), ("tsne", keys.TSNE)):
                pair = [f"{of}_{method}_{i}" for i in (1, 2)]
                if set(pair) <= set(self.pictures):
                    obsm[key + suffix] = self.pictures[pair].to_numpy()
        return AnnData(obs=pd.concat([self.samples, self.scores], axis=1), obsm=obsm)


def title(name: str) -> str:
    """Name of a model, an encoder or a detector as people write it."""
    return " ".join(NAMES.get(word, word.replace("_", " ")) for word in name.split(" "))
