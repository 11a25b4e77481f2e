"""What normal looks like: fitted on training samples, calibrated on held-out ones."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.anomaly.calibration import conformal_p_values

Array = NDArray[np.float64]

COMBINED = (
    "mean of the reconstruction error and the latent Mahalanobis distance, each standardised by "
    "its mean and standard deviation over the calibration samples"
)


@dataclass(frozen=True)
class Evidence:
    """What a model says about samples.

    Attributes
    ----------
    x_ng, reconstruction_ng
        Normalised profiles and the model's reconstruction of them.
    z_nk
        Latent coordinates.
    """

    x_ng: NDArray[np.floating]
    reconstruction_ng: NDArray[np.floating]
    z_nk: NDArray[np.floating]

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Evidence:
        return Evidence(self.x_ng[rows], self.reconstruction_ng[rows], self.z_nk[rows])


@dataclass(frozen=True)
class Detector:
    """Scores of a sample, higher is stranger, and their calibration.

    - ``reconstruction``: mean squared error over genes: what the model cannot express;
    - ``mahalanobis``: distance from the mean of the training latents in units of their
      Ledoit-Wolf covariance: where in the latent space the sample lies;
    - ``knn``: mean Euclidean distance to the nearest training latents;
    - ``combined``: see `COMBINED`; the p-value belongs to it.

    The score of a sample depends on nothing but that sample and what is stored here.
    """

    train_mk: Array
    mean_k: Array
    precision_kk: Array
    residual_mean_g: Array
    residual_sd_g: Array
    location_2: Array
    scale_2: Array
    calibration_c: Array
    n_neighbors: int = 5

    @classmethod
    def fit(cls, train: Evidence, calibration: Evidence, *, n_neighbors: int = 5) -> Detector:
        """Learn the latent shape on `train` and everything about errors on `calibration`."""
        from sklearn.covariance import LedoitWolf

        train_mk = np.asarray(train.z_nk, dtype=np.float64)
        shape = LedoitWolf().fit(train_mk)
        residual_cg = _residuals(calibration)
        parts_c2 = _parts(calibration, shape.location_, shape.precision_)
        scale_2 = parts_c2.std(0)
        location_2, scale_2 = parts_c2.mean(0), np.where(scale_2 > 0, scale_2, 1.0)
        return cls(
            train_mk=train_mk,
            mean_k=shape.location_,
            precision_kk=shape.precision_,
            residual_mean_g=residual_cg.mean(0),
            residual_sd_g=residual_cg.std(0),
            location_2=location_2,
            scale_2=scale_2,
            calibration_c=((parts_c2 - location_2) / scale_2).mean(1),
            n_neighbors=min(n_neighbors, len(train_mk)),
        )

    def score(self, samples: Evidence) -> pd.DataFrame:
        """One row per sample: the four scores and ``p_value``."""
        from sklearn.neighbors import NearestNeighbors

        parts_n2 = _parts(samples, self.mean_k, self.precision_kk)
        nearest = NearestNeighbors(n_neighbors=self.n_neighbors).fit(self.train_mk)
        combined_n = ((parts_n2 - self.location_2) / self.scale_2).mean(1)
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
        """No sample can get a smaller p-value than this."""
        return 1 / (len(self.calibration_c) + 1)

    def save(self, path: Path) -> None:
        """Write everything as one safetensors file."""
        from safetensors.numpy import save

        path.write_bytes(save({f.name: np.array(getattr(self, f.name)) for f in fields(self)}))

    @classmethod
    def load(cls, path: Path) -> Detector:
        """Read what `save` wrote."""
        from safetensors.numpy import load_file

        arrays = load_file(path)
        return cls(n_neighbors=int(arrays.pop("n_neighbors")), **arrays)


def _residuals(samples: Evidence) -> Array:
    return samples.x_ng.astype(np.float64) - samples.reconstruction_ng


def _parts(samples: Evidence, mean_k: Array, precision_kk: Array) -> Array:
    """Reconstruction error and Mahalanobis distance side by side, (n, 2)."""
    centred_nk = samples.z_nk - mean_k
    squared_n = np.einsum("nk,kl,nl->n", centred_nk, precision_kk, centred_nk, optimize=True)
    error_n = np.square(_residuals(samples)).mean(1)
    return np.column_stack([error_n, np.sqrt(np.maximum(squared_n, 0))])
