"""Several scores become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tybalt_like.anomaly.outputs import Array
from tybalt_like.anomaly.view import View
from tybalt_like.core.errors import DataError

WEIGHTS = {"gene_residual": 1.0, "nearest": 2.0, "whitened": 1.0, "density": 1.0}
"""The views that the combined score is made of, with their weights in the soft maximum. The plain
distance counts twice, which costs 0.001 AUROC on expression cohorts and keeps the combination level
with kNN on tables of few, uncorrelated columns."""
VIEWS = tuple(WEIGHTS)
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

    Chosen by measurement (``python tests/benchmarks anomaly``): among the subsets of eleven scores
    and eight ways of joining them, on breast, blood, lung, liver, endometrial and mixed tissues,
    cell lines, childhood tumours, single cells and rat liver, and on 22 tables of ADBench. No
    single view is within 0.03 AUROC of the best simple detector everywhere; the Mahalanobis
    distance, for one, is first for basal-like tumours among luminal ones and worse than chance
    for T- among B-cell leukaemias.

    Attributes
    ----------
    views
        Names of scores.
    location_v, scale_v
        Their mean and standard deviation over the calibration samples.
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
        values_cv = calibration[list(views)].to_numpy()
        scale_v = values_cv.std(0)
        return cls(
            tuple(views),
            values_cv.mean(0),
            np.where(scale_v > 1e-12, scale_v, 1.0),
            np.array([WEIGHTS.get(view, 1.0) for view in views]),
        )

    def score(self, table: pd.DataFrame) -> Array:
        """The combined score of samples whose scores are the columns, (n,)."""
        from scipy.special import logsumexp

        z_nv = (table[list(self.views)].to_numpy() - self.location_v) / self.scale_v
        return np.asarray(logsumexp(z_nv, axis=1, b=self.weight_v / self.weight_v.sum()))

    def __str__(self) -> str:
        """Definition in words."""
        if len(self.views) == 1:
            return f"{self.views[0]}, standardised over the calibration samples"
        said = [View.registry[v].says if v in View.registry else v for v in self.views]
        twice = [v for v, weight in zip(self.views, self.weight_v, strict=True) if weight == 2]
        counts = f", in which {' and '.join(twice)} counts twice" if twice else ""
        return (
            f"how much stranger than usual the strangest of {len(said)} views finds the sample: "
            f"{', '.join(said[:-1])}, and {said[-1]}; each standardised by its mean and standard "
            "deviation over the calibration samples, and joined by the logarithm of the mean "
            f"exponential{counts}"
        )


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
    on each other: the result is a score to calibrate anew (`conformal_p_values`), not a p-value.

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
