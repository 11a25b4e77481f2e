"""The detector of run folders of schema 1, which score new samples as they did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from tybalt_like.anomaly.attribution import LEAST_SD, Errors
from tybalt_like.anomaly.calibration import conformal_p_values
from tybalt_like.anomaly.outputs import Array, Evidence, floored


@dataclass(frozen=True)
class Detector1:
    """Mean of the standardised reconstruction error and Mahalanobis distance; only read."""

    train_mk: Array
    mean_k: Array
    precision_kk: Array
    residual_mean_g: Array
    residual_sd_g: Array
    location_2: Array
    scale_2: Array
    calibration_c: Array
    n_neighbors: Array

    conditional_on: ClassVar[str | None] = None

    def score(self, samples: Evidence, *, groups: Sequence[str] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """One row per sample: the four scores and ``p_value``."""
        from sklearn.neighbors import NearestNeighbors

        centred_nk = samples.z_nk - self.mean_k
        squared_n = np.einsum("nk,kl,nl->n", centred_nk, self.precision_kk, centred_nk)
        error_n = np.square(samples.residual_ng).mean(1)
        parts_n2 = np.column_stack([error_n, np.sqrt(np.maximum(squared_n, 0))])
        combined_n = ((parts_n2 - self.location_2) / self.scale_2).mean(1)
        nearest = NearestNeighbors(n_neighbors=int(self.n_neighbors)).fit(self.train_mk)
        return pd.DataFrame(
            {
                "reconstruction": parts_n2[:, 0],
                "mahalanobis": parts_n2[:, 1],
                "knn": nearest.kneighbors(samples.z_nk)[0].mean(1),
                "combined": combined_n,
                "p_value": conformal_p_values(combined_n, self.calibration_c),
            }
        )

    @property
    def smallest_p_value(self) -> float:
        return 1 / (len(self.calibration_c) + 1)

    @property
    def errors(self) -> Errors:
        """Residuals of the calibration samples, gene by gene."""
        n = len(self.calibration_c)
        sd_g = floored(self.residual_sd_g, share=LEAST_SD)
        return Errors(self.residual_mean_g, sd_g, np.array(n), np.array(n - 1))
