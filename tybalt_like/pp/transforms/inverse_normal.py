"""Rank-based inverse normal transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.transforms.base import Scaler

POINTS = 201
"""Order statistics kept per gene; with more training samples, scores between are interpolated."""


@dataclass(frozen=True)
class InverseNormal(Scaler, name="inverse_normal", setting="scale"):
    """Normal score of the rank among the training samples: Phi^-1((rank - 3/8) / (n + 1/4)).

    Blom (1958). Tied values share their mean rank, new values are interpolated between the
    training values and never leave their range.

    Parameters
    ----------
    value_pg, score_pg
        Training values in rising order, and their scores.
    """

    value_pg: Floats
    score_pg: Floats

    @classmethod
    def fit(cls, x_ng: Floats) -> Self:
        points = [_points(x_n[np.isfinite(x_n)], min(POINTS, len(x_ng))) for x_n in x_ng.T]
        values, scores = zip(*points, strict=True)
        return cls(np.stack(values, axis=1), np.stack(scores, axis=1))

    def transform(self, x_ng: Floats) -> Floats:
        result_ng = np.empty_like(x_ng)
        for g, x_n in enumerate(x_ng.T):
            result_ng[:, g] = np.interp(x_n, self.value_pg[:, g], self.score_pg[:, g])
        return np.where(np.isnan(x_ng), np.nan, result_ng)

    def inverse(self, x_ng: Floats) -> Floats:
        result_ng = np.empty_like(x_ng)
        for g, x_n in enumerate(x_ng.T):
            result_ng[:, g] = np.interp(x_n, self.score_pg[:, g], self.value_pg[:, g])
        return result_ng


def _points(x_n: Floats, n: int) -> tuple[Floats, Floats]:
    """Order statistics with their scores, n of them, evenly spaced in the score."""
    from scipy.special import ndtr, ndtri
    from scipy.stats import rankdata

    if not len(x_n):
        return np.zeros(n), np.zeros(n)
    value = np.sort(x_n)
    score = ndtri((rankdata(value) - 0.375) / (len(value) + 0.25))
    if len(value) == n:
        return value, score
    last = ndtri((len(value) - 0.375) / (len(value) + 0.25))
    rank = ndtr(np.linspace(-last, last, n)) * (len(value) + 0.25) - 0.625
    kept = rank.round().astype(np.intp)
    return value[kept], score[kept]
