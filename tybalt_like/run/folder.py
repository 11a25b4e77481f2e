"""Run folders: written whole or not at all, and read back to encode and score new samples."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tybalt_like import anomaly, pp, tl
from tybalt_like.core.errors import RunError
from tybalt_like.models import Model

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

SCHEMA = 2
"""Raised when the contents change: 2 has another detector. Earlier folders are still read."""
ABOUT = "run.json"
MODEL, DETECTOR, NORMALISER = "model.safetensors", "detector.safetensors", "normaliser.json"
BASELINE_MODEL, BASELINE_DETECTOR = "baseline_model.safetensors", "baseline_detector.safetensors"


def kind_of(run_dir: Path) -> str:
    """What a folder's ``run.json`` says that it is: empty for runs of a `Recipe`."""
    about = run_dir / ABOUT
    if not about.is_file():
        return ""
    return str(json.loads(about.read_text(encoding="utf-8")).get("kind", ""))


@dataclass(frozen=True)
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
    detector: anomaly.Detector | anomaly.Detector1

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a run folder.

        Raises
        ------
        RunError
            If the folder or one of the files needed is missing, or a newer version wrote it.
        """
        if not folder.is_dir():
            raise RunError(f"no run folder {folder}")
        if kind_of(folder):
            raise RunError(
                f"{folder} is a run over treated samples, which has no detector; its predictions "
                "are in its tables"
            )
        missing = [n for n in (ABOUT, MODEL, DETECTOR, NORMALISER) if not (folder / n).is_file()]
        if missing:
            raise RunError(
                f"{folder} is not a whole run: {', '.join(missing)} missing; run it again"
            )
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["schema"] > SCHEMA:
            raise RunError(
                f"{folder} has run schema {about['schema']}, this version reads up to {SCHEMA}; "
                f"install tybalt_like {about['versions']['tybalt-like']}"
            )
        return cls(
            folder,
            about,
            pp.Normaliser.load(folder / NORMALISER),
            Model.load(folder / MODEL),
            anomaly.Detector.load(folder / DETECTOR),
        )

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
        from tybalt_like.tl.score import evidence, groups

        encoded = self.encode(adata)
        group_n = groups(encoded, self.detector.conditional_on)
        table = self.detector.score(evidence(encoded, model=self.model), groups=group_n)
        table["q_value"] = anomaly.q_values(table["p_value"])
        table["flagged"] = table["q_value"] <= self.about["fdr"]
        table.index = encoded.obs_names.rename("sample")
        return table


def latent_table(adata: AnnData, model: str) -> pd.DataFrame:
    """Samples x latent features ``<model>_1`` to ``<model>_k``."""
    import pandas as pd

    from tybalt_like.core import keys

    z_nk = adata.obsm[keys.latent(model)]
    columns = [f"{model}_{i + 1}" for i in range(z_nk.shape[1])]
    return pd.DataFrame(z_nk, index=adata.obs_names.rename("sample"), columns=columns)
