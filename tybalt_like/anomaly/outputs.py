"""What a model makes of samples: the material of every score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = NDArray[np.bool_] | NDArray[np.int64] | slice

AT_ONCE = 1 << 20
"""Values of many samples that are worked on at once: copies are as large."""
ROUNDING = 1e-6
"""Of the largest standard deviation; smaller ones are of single-precision noise."""
TOP = 0.01
"""Share of the genes that views of the most extreme ones look at."""


@dataclass(frozen=True)
class ModelOutputs:
    """Profiles, what a model makes of them, and what it says of them.

    Attributes
    ----------
    x_ng, reconstruction_ng
        Normalised profiles and the model's reconstruction of them.
    z_nk
        Latent coordinates.
    own
        Anomaly scores that only this model has, such as a negative evidence bound, (n,) each.
    image_shape
        Channels, height and width, if the profiles are images.
    """

    x_ng: NDArray[np.floating]
    reconstruction_ng: NDArray[np.floating]
    z_nk: NDArray[np.floating]
    own: Mapping[str, Array] = field(default_factory=dict)
    image_shape: tuple[int, int, int] | None = None

    def __getitem__(self, rows: Rows) -> ModelOutputs:
        own = {name: score_n[rows] for name, score_n in self.own.items()}
        return replace(
            self,
            x_ng=self.x_ng[rows],
            reconstruction_ng=self.reconstruction_ng[rows],
            z_nk=self.z_nk[rows],
            own=own,
        )

    @property
    def residual_ng(self) -> Array:
        """Observed minus expected."""
        return np.asarray(self.x_ng.astype(np.float64) - self.reconstruction_ng)


def usual_error(train: ModelOutputs) -> Array:
    """Each gene's root mean square residual in samples that the model has not seen, (g,).

    Training samples are fitted better, by the degrees of freedom that the latent space takes: were
    that left out, residuals would be the larger, in these units, the fewer samples there are, and
    those of a detector fitted to nine tenths of the samples would not compare with those of one
    fitted to all.
    """
    m = len(train.x_ng)
    free = m - min(1 + train.z_nk.shape[1], m // 2)
    return np.asarray(np.sqrt(np.square(train.residual_ng).sum(0) / free))


def floored(sd_g: Array, *, share: float) -> Array:
    """Standard deviations, at least `share` of the median one; 1 where all are 0.

    A gene whose training values hardly differ would otherwise decide every score. Those that
    differ by rounding alone have no say in what is typical.
    """
    varies_g = sd_g > ROUNDING * sd_g.max(initial=0.0)
    typical = float(np.median(sd_g[varies_g])) if varies_g.any() else 0.0
    return np.maximum(sd_g, share * typical) if typical else np.ones_like(sd_g)


def root_mean_of_largest(z_ng: Array) -> Array:
    """Root mean square of the largest `TOP` of each row's absolute values, at least one, (n,)."""
    n_top = max(1, int(TOP * z_ng.shape[1]))
    squared_ng = np.square(z_ng)
    top_nt = np.partition(squared_ng, -n_top, axis=1)[:, -n_top:]
    return np.asarray(np.sqrt(top_nt.mean(1)))
