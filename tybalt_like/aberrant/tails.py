"""How often chance takes a residual so far out: a smooth tail on each side, learned from all genes.

Log counts are skewed, and their tails are heavier than the normal distribution's; a p-value of
1e-6 has to be read off a curve, as no gene has a million samples. All residuals of a cohort
together show that curve well.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.aberrant.statistics import Floats

FIRST, THEN = (0.2, 0.05), (0.1, 0.01)
"""Tail probabilities at which the curve meets the residuals. Further out shows better how heavy
the tail is, but there one count in a hundred that is aberrant would hide all others: the first
curve, which leans on the middle, serves to set what is certainly aberrant aside."""
ROUNDS = 3
ASIDE = 0.05
"""False discovery rate of what is set aside."""
FAR = 2.5
"""Residuals nearer than that are never set aside."""
TOGETHER = 0.5
"""How far the two sides are drawn towards each other. Some of the difference is that true losses
outnumber gains; believing all of it makes losses harder to find than they are."""
LEAST_DF, MOST_DF = 2.2, 1e3
"""Degrees of freedom that are told apart; a lighter tail is a normal one."""


class Tail(NamedTuple):
    """``scale`` x Student's t with ``df`` degrees of freedom, beyond the median."""

    df: float
    scale: float

    @classmethod
    def through(cls, values: tuple[float, float], at: tuple[float, float]) -> Self:
        """With the tail probabilities `at` beyond the `values`, both nearest first."""
        from scipy.special import stdtrit

        df_m = np.geomspace(LEAST_DF, MOST_DF, 200)
        ratio_m = stdtrit(df_m, at[1]) / stdtrit(df_m, at[0])
        df = np.exp(np.interp(-values[1] / values[0], -ratio_m, np.log(df_m)))
        return cls(float(df), float(values[0] / -stdtrit(df, at[0])))

    def towards(self, other: Tail) -> Tail:
        """Part of the way to another tail."""
        near, far = 1 - TOGETHER / 2, TOGETHER / 2
        df = 1 / (near / self.df + far / other.df)
        return Tail(df, float(self.scale**near * other.scale**far))

    def p_values(self, t: Floats) -> Floats:
        """Twice the probability of a value beyond |t|, at most 1."""
        from scipy.special import stdtr

        return np.minimum(1, 2 * stdtr(self.df, -np.abs(t) / self.scale))

    def quantile(self, p: float) -> float:
        """The |t| with the p-value `p`."""
        from scipy.special import stdtrit

        return float(-stdtrit(self.df, p / 2) * self.scale)


class Tails(NamedTuple):
    """Below and above expectation."""

    down: Tail
    up: Tail

    @classmethod
    def fit(cls, t_ng: Floats) -> Self:
        """Learn both from residuals that are mostly not aberrant."""
        t_m = t_ng.ravel()
        tails = cls._through(t_m, FIRST)
        for _ in range(ROUNDS):
            tails = cls._through(t_m[~tails._aside(t_m)], THEN)
        return cls(tails.down.towards(tails.up), tails.up.towards(tails.down))

    @classmethod
    def _through(cls, t_m: Floats, at: tuple[float, float]) -> Self:
        down, up = (
            np.maximum(np.quantile(side * t_m, [1 - p for p in at]), 1e-9) for side in (-1, 1)
        )
        return cls(Tail.through((down[0], down[1]), at), Tail.through((up[0], up[1]), at))

    def _aside(self, t_m: Floats) -> NDArray[np.bool_]:
        """What is certainly aberrant (Benjamini & Hochberg 1995); only the far end needs p."""
        far = np.flatnonzero(np.abs(t_m) > FAR)
        p = self.p_values(t_m[far])
        ordered = np.sort(p)
        small = ordered <= ASIDE * np.arange(1, len(p) + 1) / len(t_m)
        aside_m = np.zeros(len(t_m), bool)
        aside_m[far] = p <= (ordered[small].max() if small.any() else -1)
        return aside_m

    def p_values(self, t_ng: Floats) -> Floats:
        """Two-sided p-values; NaN stays NaN."""
        p_ng = np.empty_like(t_ng)
        below_ng = t_ng < 0
        p_ng[below_ng] = self.down.p_values(t_ng[below_ng])
        p_ng[~below_ng] = self.up.p_values(t_ng[~below_ng])
        return p_ng
