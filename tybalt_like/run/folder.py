"""Folders of finished runs, read back to encode and score new samples."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from tybalt_like import anomaly, pp, tl
from tybalt_like.core import keys
from tybalt_like.core.errors import RunError
from tybalt_like.core.marker import check_intact
from tybalt_like.core.representation import as_html, as_text
from tybalt_like.core.stored import sound
from tybalt_like.io.lengths import FILE as LENGTHS
from tybalt_like.io.lengths import at_lengths
from tybalt_like.models import Model
from tybalt_like.report import ABOUT, about_of
from tybalt_like.run.seen import Assessed, Seen
from tybalt_like.tl.scorer import (
    DETECTOR,
    DOMAIN,
    MODEL,
    NORMALISER,
    Scorer,
    check_genes,
)

if TYPE_CHECKING:
    from anndata import AnnData

KIND = "run"
SCORERS, NORM_FILE = "scorers", "norm.safetensors"


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run.

    Attributes
    ----------
    about
        The contents of ``run.json``.
    normaliser, model
        They encode.
    norm
        The score without a model.
    scorers
        By name: the one that decides first.
    """

    folder: Path
    about: dict[str, Any]
    normaliser: pp.Normaliser
    model: Model
    norm: anomaly.Norm
    scorers: Mapping[str, Scorer]

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a run folder.

        Raises
        ------
        RunError
            If the folder or one of the files needed is missing, or a newer version wrote it.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise RunError(f"no run folder {folder}")
        about = about_of(folder)
        if about.get("kind") != KIND:
            raise RunError(
                f"{folder} is a run of another kind ({about.get('kind')}), which has no detector; "
                "its results are in its tables"
            )
        with sound(folder / ABOUT):
            decides = about["detector"]["name"]
            names = [decides, *(name for name in about["scorers"] if name != decides)]
            _check_about(about, names)
        needed = _needed(names)
        missing = [name for name in needed if not (folder / name).is_file()]
        if missing:
            raise RunError(
                f"{folder} is not a whole run: {', '.join(missing)} missing; run it again"
            )
        check_intact(folder, [*needed, *(f"{SCORERS}/{name}/{DOMAIN}" for name in names)])
        normaliser, model = pp.Normaliser.load(folder / NORMALISER), Model.load(folder / MODEL)
        norm = anomaly.Norm.load(folder / NORM_FILE)
        for file, genes in ((MODEL, model.n_vars), (NORM_FILE, len(norm.mean_g))):
            check_genes(folder / file, genes, of=normaliser)
        scorers = {name: Scorer.load(folder / SCORERS / name, name=name) for name in names}
        return cls(folder, about, normaliser, model, norm, scorers)

    @property
    def files(self) -> list[str]:
        """Those in the folder that scores of new samples depend on."""
        names = [*_needed(self.scorers), *(f"{SCORERS}/{name}/{DOMAIN}" for name in self.scorers)]
        return [name for name in (*names, LENGTHS) if (self.folder / name).is_file()]

    @property
    def parts(self) -> dict[str, Any]:
        """What its matrix was taken from, such as a layer (`io.Options.parts`)."""
        return dict(self.about["reading"].get("parts", {}))

    def __repr__(self) -> str:
        return as_text("Run", self._facts())

    def _repr_html_(self) -> str:
        return as_html("Run", self._facts())

    def _facts(self) -> dict[str, object]:
        flagged = "{flagged} of {tested}".format(**self.about["flagged"])
        facts: dict[str, object] = {"folder": self.folder, "model": self.model.title}
        return facts | {"genes": f"{len(self.normaliser.genes):,}", "flagged": flagged}

    def encode(self, adata: AnnData) -> AnnData:
        """New samples on the trained genes and scale, with their latents and reconstructions."""
        encoded = self.normaliser.transform(at_lengths(adata, self.folder))
        tl.latent(encoded, self.model)
        return encoded

    def latent(self, adata: AnnData) -> pd.DataFrame:
        """Latent coordinates of new samples, one row each."""
        return latent_table(self.encode(adata), self.model.name)

    def score(self, adata: AnnData, *, controls: AnnData | None = None) -> pd.DataFrame:
        """The scores of `assess`."""
        return self.assess(adata, controls=controls).scores

    def assess(
        self,
        adata: AnnData,
        *,
        controls: AnnData | None = None,
        of_interest: Collection[str] = (),
    ) -> Assessed:
        """Score new samples, and say whether the p-values hold.

        q-values are Benjamini-Hochberg over the samples given here. Where the samples were
        measured on another scale or platform, there are no p-values.

        Parameters
        ----------
        controls
            At least 5 normal samples from where the new ones come. If they show a shift, it is
            taken off, and p-values are read off as they say.
        of_interest
            Genes that matter more (`anomaly.gene_scores`), by any name.

        Raises
        ------
        DataError
            If the samples do not suit, or lack the column that scores are calibrated by.
        """
        seen = Seen.of(self, adata, controls=controls, of_interest=of_interest)
        return seen.judged(self)


def _needed(scorers: Iterable[str]) -> list[str]:
    """Files without which a folder is no run."""
    of_each = (NORMALISER, MODEL, DETECTOR)
    return [
        *(NORMALISER, MODEL, NORM_FILE),
        *(f"{SCORERS}/{name}/{file}" for name in scorers for file in of_each),
    ]


def _check_about(about: Mapping[str, Any], names: list[str]) -> None:
    """Refuse a ``run.json`` that names no detectors."""
    if keys.DEFAULT not in names or not all(re.fullmatch(r"\w[\w .+-]*", name) for name in names):
        raise ValueError("its detectors have no proper names")
    if not 0 < about["fdr"] < 1:
        raise ValueError("its false-discovery rate is none")


def latent_table(adata: AnnData, model: str) -> pd.DataFrame:
    """Samples x latent features ``<model>_1`` to ``<model>_k``."""
    z_nk = adata.obsm[keys.latent(model)]
    columns = [f"{model}_{i + 1}" for i in range(z_nk.shape[1])]
    return pd.DataFrame(z_nk, index=adata.obs_names.rename("sample"), columns=columns)
