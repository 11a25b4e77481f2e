"""How near a profile comes to a training profile: no model involved."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.anomaly.outputs import Array, ModelOutputs
from tybalt_like.anomaly.view import Part

MAX_VALUES = 10_000_000
"""Values of the training profiles that are kept; with more, profiles are drawn at random."""
MAX_AXES = 300
NEAREST, AROUND = 5, 20
"""Training profiles whose distance counts in ``relative``, and those that say what is usual."""
BLUR = 1.0
"""Standard deviation of the blur of images, in pixels."""
MEMORY_MIB = 64
"""Of distances in flight at once."""


@dataclass(frozen=True)
class Profiles(Part, name="profiles"):
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
    precision_a, precision
        Inverse of the shrunk covariance along the principal axes, and along all other directions;
        1 on average over all, since how large it is depends on how many samples there are.
    """

    image_shape: NDArray[np.int64]
    mean_g: Array
    weight_g: Array
    train_mg: NDArray[np.float32]
    spacing_m: Array
    axes_ga: Array
    precision_a: Array
    precision: Array

    def __post_init__(self) -> None:
        if min(self.precision_a.min(initial=0), float(self.precision)) < 0:
            raise ValueError("a precision is below 0")  # of a damaged file

    @classmethod
    def fit(cls, train: ModelOutputs) -> Self:
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
        variance_a, axes_ga = _principal(z_mg)
        n_axes, n_varying = min(MAX_AXES, len(variance_a)), max(1, int(varies_g.sum()))
        share = min(max(_shrinkage(z_mg[:, varies_g]), 1e-3), 1.0)
        typical = variance_a.sum() / n_varying or 1.0
        n_rest = n_varying - n_axes
        rest = variance_a[n_axes:].sum() / max(1, n_rest)
        precision_a = 1 / ((1 - share) * variance_a[:n_axes] + share * typical)
        precision = 1 / ((1 - share) * rest + share * typical)
        mean_precision = (precision_a.sum() + n_rest * precision) / n_varying
        return cls(
            image_shape=image_shape,
            mean_g=mean_g,
            weight_g=weight_g,
            train_mg=z_mg.astype(np.float32),
            spacing_m=_spacing(z_mg),
            axes_ga=axes_ga[:, :n_axes],
            precision_a=precision_a / mean_precision,
            precision=np.array(precision / mean_precision),
        )

    def measure(self, samples: ModelOutputs) -> dict[str, Array]:
        """``nearest``: distance to the nearest training profile per square root of genes;
        ``whitened``: the same in units of the shrunk covariance; ``relative``: mean distance to
        the nearest profiles in units of the distances that are usual among profiles there."""
        z_ng = (_blurred(samples.x_ng, self.image_shape) - self.mean_g) * self.weight_g
        root = np.sqrt(max(1, int((self.weight_g > 0).sum())))
        near_nk, at_nk = _nearest(z_ng, self._exact_mg, n=AROUND)
        whitened_n1, _ = _nearest(self._whitened(z_ng), self._whitened_mg, n=1)
        usual_n = self.spacing_m[at_nk].mean(1)
        return {
            "nearest": near_nk[:, 0] / root,
            "whitened": whitened_n1[:, 0] / root,
            "relative": near_nk[:, :NEAREST].mean(1) / np.where(usual_n > 0, usual_n, 1.0),
        }

    @cached_property
    def _exact_mg(self) -> Array:
        """The training profiles in the precision that distances are computed in."""
        return self.train_mg.astype(np.float64)

    @cached_property
    def _whitened_mg(self) -> Array:
        return self._whitened(self._exact_mg)

    def _whitened(self, z_ng: Array) -> Array:
        """Profiles in whose space Euclidean distances are those of the shrunk covariance."""
        # Off the axes all directions count alike: what is special about them is a correction.
        extra_a = np.sqrt(self.precision_a) - np.sqrt(self.precision)
        return np.asarray(
            z_ng * np.sqrt(self.precision) + (z_ng @ self.axes_ga * extra_a) @ self.axes_ga.T
        )


def _blurred(x_ng: NDArray[np.floating], image_shape: NDArray[np.int64]) -> Array:
    """Images in double precision after a Gaussian blur; other profiles as they are."""
    exact_ng: Array = np.asarray(x_ng, dtype=np.float64)
    if not image_shape.size:
        return exact_ng
    from scipy.ndimage import gaussian_filter

    images = exact_ng.reshape(-1, *image_shape)
    return np.asarray(gaussian_filter(images, (0, 0, BLUR, BLUR)).reshape(exact_ng.shape))


def _principal(z_mg: Array) -> tuple[Array, Array]:
    """Variances along the principal axes through the origin, falling, and these axes, (a,) and
    (g, a): from the smaller of the two matrices of products."""
    m, g = z_mg.shape
    squared_a, basis = np.linalg.eigh(z_mg @ z_mg.T if m < g else z_mg.T @ z_mg)
    squared_a, basis = squared_a[::-1], basis[:, ::-1]
    kept_a = squared_a > 1e-10 * max(squared_a[0], 1e-2)
    squared_a, basis = squared_a[kept_a], basis[:, kept_a]
    axes_ga = z_mg.T @ (basis / np.sqrt(squared_a)) if m < g else basis
    return squared_a / m, axes_ga


def _shrinkage(z_mg: Array) -> float:
    """How much the covariance is shrunk: that of scikit-learn's `ledoit_wolf_shrinkage`, from the
    smaller of the two matrices of products."""
    m, g = z_mg.shape
    if not g:
        return 1.0
    centred_mg = z_mg - z_mg.mean(0)
    if m <= g:
        product = centred_mg @ centred_mg.T
        squared_m = product.diagonal()
    else:
        product, squared_m = centred_mg.T @ centred_mg, np.square(centred_mg).sum(1)
    mean, of_covariance = squared_m.sum() / m / g, np.square(product).sum() / m**2
    of_sampling = (np.square(squared_m).sum() / m - of_covariance) / m
    apart = of_covariance - g * mean**2
    return float(min(of_sampling, apart) / apart) if apart > 0 else 0.0


def _spacing(z_mg: Array) -> Array:
    """Mean distance of each profile to its nearest other ones, (m,)."""
    if len(z_mg) < 2:
        return np.zeros(len(z_mg))
    near_mk, _ = _nearest(z_mg, z_mg, n=NEAREST, among_others=True)
    return np.asarray(near_mk.mean(1))


def _nearest(
    x_ng: Array, profiles_mg: Array, *, n: int, among_others: bool = False
) -> tuple[Array, NDArray[np.intp]]:
    """Distances to the nearest profiles, in rising order, and their rows, (n, k) each.

    With `among_others`, `x_ng` are the profiles themselves, and none is its own neighbour.
    """
    from sklearn.metrics import pairwise_distances_chunked

    last = min(n, len(profiles_mg) - among_others) - 1

    def reduce(distance_nm: Array, start: int) -> tuple[Array, NDArray[np.intp]]:
        if among_others:
            rows = np.arange(len(distance_nm))
            distance_nm[rows, rows + start] = np.inf
        near_nk = np.argpartition(distance_nm, last, axis=1)[:, : last + 1]
        found_nk = np.take_along_axis(distance_nm, near_nk, axis=1)
        order_nk = np.argsort(found_nk, axis=1, kind="stable")
        return (
            np.take_along_axis(found_nk, order_nk, axis=1),
            np.take_along_axis(near_nk, order_nk, axis=1),
        )

    chunks = pairwise_distances_chunked(
        x_ng, profiles_mg, reduce_func=reduce, working_memory=MEMORY_MIB
    )
    distances, rows = zip(*chunks, strict=True)
    return np.concatenate(distances), np.concatenate(rows)
