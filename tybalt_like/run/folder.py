"""Folders of finished runs, read back to encode and score new samples."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from tybalt_like import anomaly, pp, tl
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.errors import RunError
from tybalt_like.core.files import check_intact
from tybalt_like.core.messages import some
from tybalt_like.core.provenance import recorded
from tybalt_like.core.representation import as_html, as_text
from tybalt_like.core.stored import sound
from tybalt_like.io.lengths import BROUGHT, at_lengths
from tybalt_like.models import Model
from tybalt_like.pp.findings import check_samples
from tybalt_like.pp.sex import sexes
from tybalt_like.report import ABOUT, about_of
from tybalt_like.report.run_contents import NORM
from tybalt_like.tl.scorer import (
    DETECTOR,
    DOMAIN,
    MODEL,
    NORMALISER,
    Scorer,
    check_genes,
    unscaled,
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
        needed = [NORMALISER, MODEL, NORM_FILE]
        needed += [f"{SCORERS}/{n}/{file}" for n in names for file in (NORMALISER, MODEL, DETECTOR)]
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
        given, adata = adata, at_lengths(adata, self.folder)
        controls = None if controls is None else at_lengths(controls, self.folder)
        findings = pp.inspect(adata)
        check_samples(findings)
        default = self.scorers[keys.DEFAULT]
        encoded = default.encode(adata)
        verdict = _verdict(default, encoded, controls)
        outcome = "fine" if verdict is None else verdict.outcome
        parts, notes, explained = list[pd.DataFrame](), findings.copies + findings.doubts, encoded
        if (told := sexes(adata, scale=findings.scale)) is not None:
            notes += told.doubts(list(adata.obs_names))
        notes += [BROUGHT] * (adata is not given)
        for name, scorer in self.scorers.items():
            seen = encoded if scorer is default else scorer.encode(adata)
            notes += _missing(seen, name)
            if outcome == "shifted" and scorer.domain is not None and controls is not None:
                seen, left = scorer.recentred(seen, scorer.encode(controls))
                parts.append(scorer.recalibrated(seen, left))
            else:
                parts.append(scorer.score_encoded(seen))
                if outcome in ("refused", "shifted"):
                    parts[-1] = parts[-1].assign(p_value=np.nan, extrapolated=False)
            if scorer is default:
                explained, notes = seen, notes + _of_reference(default.known(parts[-1]))
        norm_n = self.norm.score(np.asarray(self.normaliser.transform(adata).X))
        parts.append(tables.tabulate({NORM: norm_n}, list(adata.obs_names), model=""))
        scored = pd.concat(parts, ignore_index=True)
        self._check_numbers(scored, refused=outcome in ("refused", "shifted"))
        scores = tables.with_q_values(scored, fdr=self.about["fdr"])
        genes = default.genes(explained, of_interest=of_interest)
        return Assessed(tables.wide(scores), genes, explained, verdict, notes)

    def _check_numbers(self, scores: pd.DataFrame, *, refused: bool) -> None:
        """Refuse scores, and p-values where there should be some, that are no numbers."""
        strata = any(scorer.detector.conditional_on for scorer in self.scorers.values())
        due = scores["score"].eq(tables.COMBINED) & (not refused and not strata)
        lacking = ~np.isfinite(scores["value"]) | (due & scores["p_value"].isna())
        if lacking.any():
            first = scores[lacking].iloc[0]
            raise RunError(
                f"{self.folder}: the score {first['score']} of sample {first['sample']} is no "
                "number; its files are damaged or do not belong together, copy the folder again"
            )


@dataclass(frozen=True)
class Assessed:
    """What a run says of new samples.

    Attributes
    ----------
    scores
        A row per sample, columns as in ``scores.tsv``.
    genes
        Those that make each sample strange (`anomaly.gene_scores`).
    encoded
        The samples as the default detector explains them (`Scorer.encode`), less a shift that
        controls showed.
    verdict
        Whether the p-values hold; None if that cannot be checked.
    notes
        What is missing, in sentences.
    """

    scores: pd.DataFrame
    genes: pd.DataFrame
    encoded: AnnData
    verdict: anomaly.Verdict | None
    notes: list[str]


def _check_about(about: Mapping[str, Any], names: list[str]) -> None:
    """Refuse a ``run.json`` that names no detectors."""
    if keys.DEFAULT not in names or not all(re.fullmatch(r"\w[\w .+-]*", name) for name in names):
        raise ValueError("its detectors have no proper names")
    if not 0 < about["fdr"] < 1:
        raise ValueError("its false-discovery rate is none")


def _verdict(scorer: Scorer, encoded: AnnData, controls: AnnData | None) -> anomaly.Verdict | None:
    """Whether the p-values of encoded samples hold."""
    if scorer.domain is None:
        return None
    known_kg = None if controls is None else unscaled(scorer.encode(controls))
    return scorer.domain.check(unscaled(encoded), controls_kg=known_kg)


def _of_reference(names: list[str]) -> list[str]:
    """Which samples are no new ones."""
    if not names:
        return []
    return [
        f"{len(names):,} of the samples are reference samples ({some(names)}): they look less "
        "strange than they are"
    ]


def _missing(encoded: AnnData, name: str) -> list[str]:
    """Which trained genes the samples lack."""
    filled = recorded(encoded)["normalisation"]["filled"]
    if not filled:
        return []
    return [
        f"{len(filled):,} of the {encoded.n_vars:,} genes of the {name} scores are missing and "
        f"hold the reference median: {some(filled)}"
    ]


def latent_table(adata: AnnData, model: str) -> pd.DataFrame:
    """Samples x latent features ``<model>_1`` to ``<model>_k``."""
    z_nk = adata.obsm[keys.latent(model)]
    columns = [f"{model}_{i + 1}" for i in range(z_nk.shape[1])]
    return pd.DataFrame(z_nk, index=adata.obs_names.rename("sample"), columns=columns)
