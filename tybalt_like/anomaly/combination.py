"""Several scores become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tybalt_like.anomaly.outputs import Array
from tybalt_like.anomaly.view import View
from tybalt_like.core.errors import DataError

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "top_residuals": 1.0,
        "relative": 1.0,
        "whitened": 1.0,
        "kth_neighbour": 0.5,
        "top_genes": 0.5,
    }
)
"""The views that the combined score is made of, with their weights in the soft maximum. Chosen on
the cohorts of the half ``select`` of ``python tests/benchmarks suite``, confirmed on the other."""
VIEWS = tuple(WEIGHTS)
IMAGE_VIEWS = ("relative",)
"""The same for images, among which no other view is as good as this one alone."""
LEAST_SCALE = 1e-12
"""What varies less does not vary."""
MAD = 1.4826
"""Standard deviations of a normal distribution in its median absolute deviation."""
TAIL = 0.25
"""Share of the calibration scores that `surprise` takes for the tail."""


@dataclass(frozen=True)
class Combination:
    """The strangest of several views, softly; of `VIEWS`, if nobody chooses.

    Samples are strange in different ways. A new cell type lies off the model's subspace but near
    its origin, where Mahalanobis distances and densities call it typical; an exaggerated form of
    the known lies inside the subspace, where residuals do; one that mixes known programmes in an
    unknown way is near nothing. A mean lets three contented views outvote the alarmed one; the
    soft maximum ``log mean exp`` of standardised scores does not.

    Standardised by median and median absolute deviation, which a few hidden anomalies hardly move.

    Attributes
    ----------
    views
        Names of scores.
    location_v, scale_v
        Median and scaled median absolute deviation of each over the calibration samples; the
        standard deviation where more than half of the scores are equal.
    weight_v
        Their weights in the soft maximum.
    """

    views: tuple[str, ...]
    location_v: Array
    scale_v: Array
    weight_v: Array

    @classmethod
    def fit(cls, calibration: pd.DataFrame, views: Sequence[str] = VIEWS) -> Self:
        """Learn how the views, columns of `calibration`, vary.

        Raises
        ------
        DataError
            If there is no such score.
        """
        if unknown := [view for view in views if view not in calibration]:
            known = ", ".join(map(str, calibration))
            raise DataError(f"there is no score {unknown[0]!r} to combine; scores: {known}")
        location_v, scale_v = _location_scale(calibration[list(views)].to_numpy(np.float64).T)
        weight_v = np.array([WEIGHTS.get(view, 1.0) for view in views])
        return cls(tuple(views), location_v, scale_v, weight_v)

    def score(self, table: pd.DataFrame) -> Array:
        """The combined score of samples whose scores are the columns, (n,)."""
        value_nv = table[list(self.views)].to_numpy(np.float64)
        return self._joined((value_nv - self.location_v) / self.scale_v)

    def beside(self, measured: pd.DataFrame, calibration: pd.DataFrame) -> tuple[Array, Array]:
        """Combined scores of samples, and of the calibration samples as seen beside each.

        Views are standardised by the calibration samples and the one sample together, so that the
        sample is no other than one of them: standardised by the calibration samples alone it would
        be more extreme than an equally strange one of these, and, if these are few, up to half as
        often again beyond them all as it should be.

        Returns
        -------
        tuple
            (n,) and (n, c).
        """
        score_n, score_nc = np.empty(len(measured)), np.empty((len(measured), len(calibration)))
        value_nv, value_cv = (
            table[list(self.views)].to_numpy(np.float64) for table in (measured, calibration)
        )
        for n, value_v in enumerate(value_nv):
            together_vc = np.vstack([value_v, value_cv]).T
            location_v, scale_v = _location_scale(together_vc)
            score_c = self._joined((together_vc.T - location_v) / scale_v)
            score_n[n], score_nc[n] = score_c[0], score_c[1:]
        return score_n, score_nc

    def _joined(self, z_v: Array) -> Array:
        """The soft maximum over the last axis."""
        from scipy.special import logsumexp

        return np.asarray(logsumexp(z_v, axis=-1, b=self.weight_v / self.weight_v.sum()))

    def __str__(self) -> str:
        """Definition in words."""
        says = [View.registry[view].says if view in View.registry else view for view in self.views]
        if len(says) == 1:
            return f"how strange a sample is, by {says[0]}"
        counted = [
            f"{said}{' (counts half)' if weight < 1 else ''}"
            for said, weight in zip(says, self.weight_v, strict=True)
        ]
        return (
            f"how strange a sample is, by whichever of {len(says)} views finds it strangest: "
            f"{'; '.join(counted)}; each standardised by median and median absolute deviation, "
            "joined by the logarithm of the mean exponential"
        )


def _location_scale(value_na: Array) -> tuple[Array, Array]:
    """Median and scaled median absolute deviation of every row, (n,) each."""
    location_n = np.median(value_na, axis=1)
    mad_n = MAD * np.median(np.abs(value_na - location_n[:, None]), axis=1)
    scale_n = np.where(mad_n > LEAST_SCALE, mad_n, value_na.std(1))
    return location_n, np.where(scale_n > LEAST_SCALE, scale_n, 1.0)


def surprise(score_n: ArrayLike, calibration_m: ArrayLike) -> Array:
    """-log p of scores among calibration scores, which goes on beyond the largest of these.

    Conformal p-values are all alike beyond it. Here the upper quarter of the calibration scores
    is taken as the start of an exponential tail, as extreme-value theory suggests (Pickands 1975,
    with shape 0).

    Returns
    -------
    numpy.ndarray
        Of at least 0, (n,); strictly increasing in the tail.
    """
    score_n = np.asarray(score_n, dtype=np.float64)
    ordered_m = np.sort(np.asarray(calibration_m, dtype=np.float64))
    start = float(np.quantile(ordered_m, 1 - TAIL))
    excess = float((ordered_m[ordered_m >= start] - start).mean())
    rank_n = np.searchsorted(ordered_m, score_n, side="left")
    body_n = np.log1p(len(ordered_m)) - np.log1p(len(ordered_m) - rank_n)
    tail_n = -np.log(TAIL) + (score_n - start) / (excess if excess > 0 else 1.0)
    return np.asarray(np.where(score_n > start, tail_n, np.minimum(body_n, -np.log(TAIL))))


def pooled(
    scores: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    how: Literal["p_values", "ranks"] = "p_values",
) -> Array:
    """One score from several detectors of the same samples, such as trainings with other seeds.

    ``"p_values"`` adds up -log p (Fisher's combination) with the tail of `surprise`; ``"ranks"``
    averages the ranks among the calibration samples, which no single detector can dominate, but
    which tells none of the samples beyond all of them apart. Detectors of the same samples depend
    on each other: the result is a score to calibrate anew, with `pooled_calibration`, not a
    p-value.

    Parameters
    ----------
    scores
        For every detector, the scores of the samples and of the calibration samples.

    Returns
    -------
    numpy.ndarray
        Higher is stranger, (n,).
    """
    if how == "p_values":
        return np.asarray(np.mean([surprise(*pair) for pair in scores], axis=0))
    ranks = [
        np.searchsorted(np.sort(np.asarray(calibration_m)), np.asarray(score_n), side="left")
        for score_n, calibration_m in scores
    ]
    return np.asarray(np.mean(ranks, axis=0, dtype=np.float64))


def pooled_calibration(
    calibrations: Sequence[ArrayLike], *, how: Literal["p_values", "ranks"] = "p_values"
) -> Array:
    """What `pooled` makes of the calibration samples themselves, each compared with the others,
    (m,): what the pooled score of a new sample is calibrated with."""
    of_detectors = [np.asarray(calibration_m, np.float64) for calibration_m in calibrations]
    return np.array(
        [
            pooled([(score_m[[i]], np.delete(score_m, i)) for score_m in of_detectors], how=how)[0]
            for i in range(len(of_detectors[0]))
        ]
    )
