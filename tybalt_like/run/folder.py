"""Folders of finished runs, read back to encode and score new samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from tybalt_like import anomaly, pp, tl
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.errors import RunError
from tybalt_like.core.representation import as_html, as_text
from tybalt_like.models import Model
from tybalt_like.report import about_of
from tybalt_like.tl.score import groups, model_outputs

if TYPE_CHECKING:
    from anndata import AnnData

KIND = "run"
MODEL, DETECTOR, NORMALISER = "model.safetensors", "detector.safetensors", "normaliser.json"
BASELINE_MODEL, BASELINE_DETECTOR = "baseline_model.safetensors", "baseline_detector.safetensors"


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run.

    Attributes
    ----------
    about
        The contents of ``run.json``.
    """

    folder: Path
    about: dict[str, Any]
    normaliser: pp.Normaliser
    model: Model
    detector: anomaly.Detector

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
        if about["kind"] != KIND:
            raise RunError(
                f"{folder} is a run of another kind ({about['kind']}), which has no detector; its "
                "results are in its tables"
            )
        missing = [n for n in (MODEL, DETECTOR, NORMALISER) if not (folder / n).is_file()]
        if missing:
            raise RunError(
                f"{folder} is not a whole run: {', '.join(missing)} missing; run it again"
            )
        return cls(
            folder,
            about,
            pp.Normaliser.load(folder / NORMALISER),
            Model.load(folder / MODEL),
            anomaly.Detector.load(folder / DETECTOR),
        )

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
        encoded = self.normaliser.transform(adata)
        tl.latent(encoded, self.model)
        return encoded

    def latent(self, adata: AnnData) -> pd.DataFrame:
        """Latent coordinates of new samples, one row each."""
        return latent_table(self.encode(adata), self.model.name)

    def score(self, adata: AnnData) -> pd.DataFrame:
        """Anomaly scores of new samples, with p-values against the run's calibration samples.

        q-values are Benjamini-Hochberg over the samples given here.

        Raises
        ------
        DataError
            If the run was calibrated by a sample column that the samples lack.
        """
        encoded = self.encode(adata)
        scores = self.detector.score(
            model_outputs(encoded, model=self.model),
            names=list(encoded.obs_names),
            model=self.model.name,
            groups=groups(encoded, self.detector.conditional_on),
        )
        scores = tables.with_q_values(scores, fdr=self.about["fdr"])
        wide = tables.wide(scores)
        names = {column: s if w == "value" else w for column, _, s, w in tables.columns(scores)}
        return wide.rename(columns=names)


def latent_table(adata: AnnData, model: str) -> pd.DataFrame:
    """Samples x latent features ``<model>_1`` to ``<model>_k``."""
    z_nk = adata.obsm[keys.latent(model)]
    columns = [f"{model}_{i + 1}" for i in range(z_nk.shape[1])]
    return pd.DataFrame(z_nk, index=adata.obs_names.rename("sample"), columns=columns)
