"""How near a profile comes to a training profile: no model involved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.anomaly.outputs import Array, Evidence

MAX_VALUES = 10_000_000
"""Values of the training profiles that are kept; with more, profiles are drawn at random."""
MAX_AXES = 300
NEAREST, AROUND = 5, 20
"""Training profiles whose distance counts in ``relative``, and those that say what is usual."""
BLUR = 1.0
"""Standard deviation of the blur of images, in pixels."""
ROWS = 512
"""Profiles in flight at once, which bounds memory."""


@dataclass(frozen=True)
class Profile:
    """Training profiles, standardised by gene, and the shape of their cloud.

    The covariance is shrunk towards a multiple of the identity (Ledoit & Wolf 2004): dividing by
    it makes a step against the correlations of the genes longer than one along them, which is
    what distances from the mean or to a neighbour miss.

    Images are blurred first and keep one scale for all pixels: a stroke that is a pixel off is no
    anomaly, and an edge that hardly ever has ink is not worth more than the middle.

    Attributes
    ----------
    image_shape
        Channels, height and width of images; empty for others.
    spacing_m
        Mean distance of each training profile to its nearest other ones.
    """

    image_shape: NDArray[np.int64]
    mean_g: Array
    weight_g: Array
    train_mg: NDArray[np.float32]
    spacing_m: Array
    axes_ga: Array
    precision_a: Array
    precision: Array

    @classmethod
    def fit(cls, train: Evidence) -> Self:
        from sklearn.covariance import ledoit_wolf_shrinkage

        image_shape = np.array(train.image_shape or (), dtype=np.int64)
        x_mg = _blurred(train.x_ng, image_shape)
        mean_g, sd_g = x_mg.mean(0), x_mg.std(0)
        if image_shape.size:
            sd_g = np.full_like(sd_g, np.sqrt(np.square(sd_g).mean()))
        varies_g = sd_g > 1e-8 * max(1.0, float(np.abs(x_mg).max(initial=0)))
        weight_g = np.divide(1.0, sd_g, out=np.zeros_like(sd_g), where=varies_g)
        keep = max(2, MAX_VALUES // x_mg.shape[1])
        if len(x_mg) > keep:
            x_mg = x_mg[np.random.default_rng(0).permutation(len(x_mg))[:keep]]
        z_mg = (x_mg - mean_g) * weight_g
        _, spread_a, axes_ag = np.linalg.svd(z_mg, full_matrices=False)
        variance_a = np.square(spread_a) / len(z_mg)
        n_axes = min(MAX_AXES, int((variance_a > 1e-12).sum()))
        varying_mg = z_mg[:, varies_g]
        share = float(ledoit_wolf_shrinkage(varying_mg)) if varying_mg.size else 1.0
        share = min(max(share, 1e-3), 1.0)
        typical = variance_a.sum() / max(1, varies_g.sum()) or 1.0
        rest = variance_a[n_axes:].sum() / max(1, varies_g.sum() - n_axes)
        return cls(
            image_shape=image_shape,
            mean_g=mean_g,
            weight_g=weight_g,
            train_mg=z_mg.astype(np.float32),
            spacing_m=_spacing(z_mg),
            axes_ga=axes_ag[:n_axes].T,
            precision_a=1 / ((1 - share) * variance_a[:n_axes] + share * typical),
            precision=np.array(1 / ((1 - share) * rest + share * typical)),
        )

    def score(self, samples: Evidence) -> dict[str, Array]:
        """``nearest``: distance to the nearest training profile per square root of genes;
        ``whitened``: the same in units of the shrunk covariance; ``relative``: mean distance to
        the nearest profiles in units of the distances that are usual among profiles there (as in
        the local outlier factor of Breunig et al. 2000)."""
        z_ng = (_blurred(samples.x_ng, self.image_shape) - self.mean_g) * self.weight_g
        n_genes = max(1, int((self.weight_g > 0).sum()))
        parts = [self._distances(z_ng[i : i + ROWS]) for i in range(0, len(z_ng), ROWS)]
        nearest_n, whitened_n, relative_n = np.concatenate(parts, axis=1)
        return {
            "nearest": nearest_n / np.sqrt(n_genes),
            "whitened": whitened_n / np.sqrt(n_genes),
            "relative": relative_n,
        }

    def _distances(self, z_ng: Array) -> Array:
        """To the nearest profile, plain and whitened, and relative to what is usual, (3, n)."""
        train_mg = self.train_mg.astype(np.float64)
        at_na, at_ma = z_ng @ self.axes_ga, train_mg @ self.axes_ga
        # Off the axes all directions count alike: what is special about them is a correction.
        extra_a = self.precision_a - self.precision
        plain_nm = _squared_distances(z_ng, train_mg, np.ones(1))
        whitened_nm = plain_nm * self.precision + _squared_distances(at_na, at_ma, extra_a)
        last = min(AROUND, len(train_mg)) - 1
        near_nm = np.argpartition(plain_nm, last, axis=1)[:, : last + 1]
        distance_nm = np.take_along_axis(plain_nm, near_nm, axis=1)
        distance_nm = np.sqrt(np.maximum(np.sort(distance_nm, axis=1), 0))
        usual_n = self.spacing_m[near_nm].mean(1)
        relative_n = distance_nm[:, :NEAREST].mean(1) / np.where(usual_n > 0, usual_n, 1.0)
        whitened_n = np.sqrt(np.maximum(whitened_nm.min(1), 0))
        return np.stack([distance_nm[:, 0], whitened_n, relative_n])


def _blurred(x_ng: NDArray[np.floating], image_shape: NDArray[np.int64]) -> Array:
    """Images in double precision after a Gaussian blur; other profiles as they are."""
    exact_ng: Array = np.asarray(x_ng, dtype=np.float64)
    if not image_shape.size:
        return exact_ng
    from scipy.ndimage import gaussian_filter

    images = exact_ng.reshape(-1, *image_shape)
    return np.asarray(gaussian_filter(images, (0, 0, BLUR, BLUR)).reshape(exact_ng.shape))


def _spacing(z_mg: Array) -> Array:
    """Mean distance of each profile to its nearest other ones, (m,)."""
    n = min(NEAREST, len(z_mg) - 1)
    if n < 1:
        return np.zeros(len(z_mg))
    squared_m = np.empty((len(z_mg), n))
    for start in range(0, len(z_mg), ROWS):
        rows = np.arange(start, min(start + ROWS, len(z_mg)))
        squared_nm = _squared_distances(z_mg[rows], z_mg, np.ones(1))
        squared_nm[rows - start, rows] = np.inf
        squared_m[rows] = np.partition(squared_nm, n - 1, axis=1)[:, :n]
    return np.asarray(np.sqrt(np.maximum(squared_m, 0)).mean(1))


def _squared_distances(a_nk: Array, b_mk: Array, weight_k: Array) -> Array:
    """Weighted, between all rows, (n, m)."""
    norm_n1 = (np.square(a_nk) * weight_k).sum(1, keepdims=True)
    return np.asarray(
        norm_n1 + (np.square(b_mk) * weight_k).sum(1) - 2 * (a_nk * weight_k) @ b_mk.T
    )
