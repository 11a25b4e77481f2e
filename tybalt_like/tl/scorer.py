"""From expression as it was read to calibrated scores: all that scoring new samples needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pandas as pd

from tybalt_like import anomaly
from tybalt_like.models import Model
from tybalt_like.pp import Normaliser
from tybalt_like.tl.fit import latent
from tybalt_like.tl.score import groups, model_outputs

if TYPE_CHECKING:
    from anndata import AnnData

NORMALISER, MODEL, DETECTOR = "normaliser.json", "model.safetensors", "detector.safetensors"


@dataclass(frozen=True)
class Scorer:
    """A normaliser, a model and a detector that were fitted to the same reference.

    Attributes
    ----------
    name
        Under which its scores stand in tables.
    """

    name: str
    normaliser: Normaliser
    model: Model
    detector: anomaly.Detector

    def encode(self, adata: AnnData) -> AnnData:
        """Samples on the trained genes and scale, with their latents and reconstructions."""
        encoded = self.normaliser.transform(adata)
        latent(encoded, self.model)
        return encoded

    def score(self, adata: AnnData) -> pd.DataFrame:
        """The long table (`anomaly.scores`) of samples as read, without q-values.

        Raises
        ------
        DataError
            If the samples do not suit, or lack the column that scores are calibrated by.
        """
        return self.score_encoded(self.encode(adata))

    def score_encoded(self, encoded: AnnData) -> pd.DataFrame:
        """The same of what `encode` returned."""
        return self.detector.score(
            model_outputs(encoded, model=self.model),
            names=list(encoded.obs_names),
            model=self.name,
            groups=groups(encoded, self.detector.conditional_on),
        )

    def save(self, folder: Path) -> None:
        """Write three files into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.normaliser.save(folder / NORMALISER)
        self.model.save(folder / MODEL)
        self.detector.save(folder / DETECTOR)

    @classmethod
    def load(cls, folder: Path, *, name: str) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If another version wrote it.
        """
        return cls(
            name,
            Normaliser.load(folder / NORMALISER),
            Model.load(folder / MODEL),
            anomaly.Detector.load(folder / DETECTOR),
        )
