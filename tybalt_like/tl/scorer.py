"""From expression as it was read to calibrated scores: all that scoring new samples needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import anomaly
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.files import whole_file
from tybalt_like.core.stored import check_axes, read_arrays, sound
from tybalt_like.genes import names_in
from tybalt_like.models import Model
from tybalt_like.pp import Normaliser
from tybalt_like.tl.closest_normal import encode, explained
from tybalt_like.tl.fit import latent
from tybalt_like.tl.score import groups, model_outputs

if TYPE_CHECKING:
    from anndata import AnnData

NORMALISER, MODEL, DETECTOR = "normaliser.json", "model.safetensors", "detector.safetensors"
DOMAIN = "domain.safetensors"
NEAREST, SAME = "nearest", 0.03
"""A view: the distance to the nearest reference sample, in standard deviations of a gene. Copies
that were rounded to two decimals are nearer than that, technical replicates are not."""


@dataclass(frozen=True)
class Scorer:
    """A normaliser, a model and a detector that were fitted to the same reference.

    Attributes
    ----------
    name
        Under which its scores stand in tables.
    domain
        Whether new samples come from where the reference does; None for images, and where there
        were too few reference samples to tell.
    """

    name: str
    normaliser: Normaliser
    model: Model
    detector: anomaly.Detector
    domain: anomaly.Domain | None = None

    def encode(self, adata: AnnData) -> AnnData:
        """Samples on the trained genes and scale; see `tl.closest_normal.encode`."""
        return encode(adata, self.normaliser, self.model)

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

    def recentred(self, encoded: AnnData, controls: AnnData) -> tuple[AnnData, AnnData]:
        """Samples from a shifted source, less the displacement that normal samples of that source
        show (`anomaly.offset`), and these controls, each less that of the other ones.

        Parameters
        ----------
        encoded, controls
            As `encode` returned them.

        Raises
        ------
        DataError
            If there are fewer than 5 controls, or no domain.
        """
        if self.domain is None:
            raise DataError("too few reference samples to recalibrate on controls")
        known_kg = unscaled(controls)
        moved_ng = unscaled(encoded) - anomaly.offset(self.domain, known_kg)
        left_kg = anomaly.left_out(self.domain, known_kg)
        return self._with(encoded, moved_ng), self._with(controls, left_kg)

    def recalibrated(self, encoded: AnnData, controls: AnnData) -> pd.DataFrame:
        """The scores of what `recentred` returned, with p-values as the controls say
        (`anomaly.as_reference`)."""
        detector = self.detector
        measures, of_controls = (
            detector.views.measure(model_outputs(samples, model=self.model))
            for samples in (encoded, controls)
        )
        combined_n = anomaly.as_reference(
            detector.combination.score(measures),
            controls_k=detector.combination.score(of_controls),
            reference_m=detector.calibration_scores,
        )
        strata_n = groups(encoded, detector.conditional_on)
        p_values = detector.calibration.p_values(combined_n, detector.calibration_scores, strata_n)
        values = measures.assign(**{tables.COMBINED: combined_n})
        names = list(encoded.obs_names)
        return tables.tabulate(values, names, model=self.name, p_values=p_values)

    def _with(self, encoded: AnnData, unscaled_ng: NDArray[np.float64]) -> AnnData:
        """Samples with other values before the last step of the normalisation."""
        moved, scaler = encoded.copy(), self.normaliser.scaler
        scaled_ng = scaler.transform(unscaled_ng) if scaler else unscaled_ng
        moved.X = scaled_ng.astype(np.float32)
        moved.layers[keys.UNSCALED] = unscaled_ng
        latent(moved, self.model)
        return moved

    def genes(
        self, encoded: AnnData, *, n_top: int | None = 20, of_interest: Collection[str] = ()
    ) -> pd.DataFrame:
        """The genes that make samples strange, beside their closest normal profiles; see
        `anomaly.gene_scores`.

        Only of scorers that were calibrated with all reference samples.
        """
        return anomaly.gene_scores(
            self.detector.usual,
            self.explained(encoded),
            names=list(encoded.obs_names),
            genes=list(encoded.var_names),
            n_top=n_top,
            of_interest=names_in(encoded, list(of_interest)),
        )

    def explained(self, encoded: AnnData) -> anomaly.ModelOutputs:
        """Observed and expected values of what `encode` returned; see
        `tl.closest_normal.explained`."""
        error_g = self.detector.views.error_g
        return explained(encoded, self.normaliser, self.model, error_g)

    def save(self, folder: Path) -> None:
        """Write what is there into a folder, which is made."""
        from safetensors.numpy import save

        folder.mkdir(parents=True, exist_ok=True)
        self.normaliser.save(folder / NORMALISER)
        self.model.save(folder / MODEL)
        self.detector.save(folder / DETECTOR)
        if self.domain is not None:
            with whole_file(folder / DOMAIN) as partial:
                partial.write_bytes(save(dict(self.domain.arrays())))

    @classmethod
    def load(cls, folder: Path, *, name: str) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If another version wrote it, or its files are damaged or do not belong together.
        """
        normaliser = Normaliser.load(folder / NORMALISER)
        model, genes = Model.load(folder / MODEL), len(normaliser.genes)
        detector, domain = anomaly.Detector.load(folder / DETECTOR), None
        if (folder / DOMAIN).is_file():
            arrays, _ = read_arrays(folder / DOMAIN)
            check_axes(arrays, folder / DOMAIN, g=genes, s=len(anomaly.domain.SIZES))
            with sound(folder / DOMAIN):
                domain = anomaly.Domain(**arrays)
        for file, n in ((MODEL, model.n_vars), (DETECTOR, detector.n_vars)):
            check_genes(folder / file, n, of=normaliser)
        return cls(name, normaliser, model, detector, domain)


def check_genes(path: Path, n: int, *, of: Normaliser) -> None:
    """Refuse a file for another number of genes than the normaliser beside it."""
    if n != len(of.genes):
        raise DataError(
            f"{path} is for {n:,} genes, {NORMALISER} beside it for {len(of.genes):,}; copy the "
            "whole folder again"
        )


def unscaled(encoded: AnnData) -> NDArray[np.float64]:
    """What `Scorer.encode` returned before the last step of the normalisation, (n, g)."""
    return np.asarray(encoded.layers[keys.UNSCALED], dtype=np.float64)
