"""From scores to error rates: conformal p-values, what lies beyond them, and q-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Rule = Literal["auto", "conformal", "conditional"]

ROUNDING = 1e-9
"""Scores that differ by less are equal: the last digits depend on what is computed together."""
ENOUGH = 100
"""Units of calibration from which ranks alone are used: p-values go down to 0.01."""
LEAST_TAIL, TAIL = 3, 0.25
"""Calibration scores that an exponential tail is learned from: at least, and as a share."""
ROWS = 256
"""Samples that are compared with all calibration samples at once."""
CONFIDENCE = 0.9
"""Probability with which conditional p-values hold for the calibration samples at hand."""


class PValues(NamedTuple):
    """p-values of samples, and whether ranks alone could not have given them; (n,) each."""

    p_n: Array
    extrapolated_n: NDArray[np.bool_]


@dataclass(frozen=True)
class Calibration:
    """How p-values are read off: from reference samples that were held out by their scorer.

    By ranks, ``p = (1 + #{calibration >= score}) / (m + 1)``: for a sample exchangeable with the
    calibration samples P(p <= a) <= a for every a (Vovk et al. 2005; Bates et al., Ann Stat
    2023). With ``rule="auto"`` and fewer than 100 of them, the largest quarter (k scores, at least
    3) is taken for an exponential tail instead, which starts at the next smaller one, u, with mean
    excess e: ``p = (k + 1) / (m + 1) * (1 + (score - u) / (k e)) ** -k`` beyond u, the predictive
    distribution of one more exponential variable. Such p-values are extrapolated where they are
    below 1 / (m + 1). Not so with units: the tail of what differs between patients or experiments
    is heavier (measured on experiments of TG-GATEs), and ranks alone decide.

    ``rule="conditional"``: p-values that hold, with probability 0.9 over the draw of the
    calibration samples, for all further samples that are compared with these (Bates et al. 2023,
    section 3, with the bound of Simes).

    Attributes
    ----------
    m
        Calibration samples.
    stratum_c
        Label or batch of each, if each sample is to be compared with those of its own (Mondrian
        prediction, Vovk 2003); empty if all are compared with all.
    unit_c
        Patient or experiment of each, if samples of one depend on each other; empty if none do.
        Every unit counts as one, shared among its samples, and p-values hold for a sample of a new
        unit (Dunn et al., JASA 2023; Lee, Barber & Willett 2023).
    """

    m: int
    stratum_c: tuple[str, ...] = ()
    unit_c: tuple[str, ...] = ()
    rule: Rule = "auto"

    def p_values(
        self, score_n: Array, score_nc: Array, stratum_n: Sequence[str] | None = None
    ) -> PValues:
        """Of new samples; NaN for those of a stratum that was not calibrated.

        Parameters
        ----------
        score_n
            Higher is stranger.
        score_nc
            Scores of the calibration samples as seen beside each sample, (n, c), or beside any,
            (c,).
        stratum_n
            Of every sample; needed if there are strata.
        """
        if not self.stratum_c and score_nc.ndim == 1 and self.size >= ENOUGH:
            return self._by_rank(score_n, score_nc)
        parts = []
        for rows in _rows(len(score_n)):
            beside_nc = np.broadcast_to(score_nc, (len(score_n), self.m))[rows]
            same_nc = np.ones(beside_nc.shape, dtype=bool)
            if self.stratum_c:
                same_nc = np.asarray(stratum_n, str)[rows, None] == np.asarray(self.stratum_c, str)
            weight_nc = same_nc * self.weight_c
            parts.append(_read_off(score_n[rows], beside_nc, weight_nc, self.applied_rule))
        return _joined(parts)

    def among_others(self, score_c: Array) -> PValues:
        """Of the calibration samples themselves, each compared with all others that do not belong
        to its unit."""
        plain = not (self.stratum_c or self.unit_c or np.isnan(score_c).any())
        if plain and self.m > ENOUGH:
            return self._by_rank_among_others(score_c)
        units_c = np.array(self.unit_c or range(self.m), dtype=str)
        strata_c = np.array(self.stratum_c or [""] * self.m, dtype=str)
        parts = []
        for rows in _rows(self.m):
            other_nc = units_c[rows][:, None] != units_c
            other_nc &= strata_c[rows][:, None] == strata_c
            score_nc = np.broadcast_to(score_c, other_nc.shape)
            weight_nc = other_nc * self.weight_c
            parts.append(_read_off(score_c[rows], score_nc, weight_nc, self.applied_rule))
        return _joined(parts)

    def _by_rank(self, score_n: Array, score_c: Array) -> PValues:
        """The same in one sweep, where ranks among all decide."""
        order_c = np.argsort(score_c, kind="stable")
        below_c = np.concatenate([[0.0], np.cumsum(self.weight_c[order_c])])
        place_n = np.searchsorted(score_c[order_c], _no_more(score_n), side="left")
        p_n = (1 + below_c[-1] - below_c[place_n]) / (below_c[-1] + 1)
        if self.rule == "conditional":
            p_n = _conditional(p_n, np.full(len(p_n), below_c[-1]))
        return PValues(np.where(np.isnan(score_n), np.nan, p_n), np.zeros(len(p_n), dtype=bool))

    def _by_rank_among_others(self, score_c: Array) -> PValues:
        """The same in one sweep, where ranks among all others decide."""
        at_least_c = self.m - np.searchsorted(np.sort(score_c), _no_more(score_c), side="left")
        p_c = at_least_c / self.m  # itself, which is no other, stands for the one that is added
        if self.rule == "conditional":
            p_c = _conditional(p_c, np.full(self.m, self.m - 1.0))
        return PValues(p_c, np.zeros(self.m, dtype=bool))

    @property
    def size(self) -> int:
        """Units of calibration, of the largest stratum."""
        strata = np.unique(self.stratum_c or [""] * self.m, return_inverse=True)[1]
        return round(float(np.bincount(strata, weights=self.weight_c).max()))

    @property
    def smallest(self) -> float:
        """No sample can get a smaller p-value by ranks."""
        return 1 / (self.size + 1)

    @property
    def extrapolates(self) -> bool:
        """Whether p-values may be smaller than ranks allow."""
        return self.applied_rule == "auto" and self.size < ENOUGH

    @property
    def applied_rule(self) -> Rule:
        """With units, ranks alone decide if nobody chooses."""
        return "conformal" if self.unit_c and self.rule == "auto" else self.rule

    @property
    def weight_c(self) -> Array:
        """What each calibration sample counts: a unit of a stratum is one in all."""
        if not self.unit_c:
            return np.ones(self.m)
        strata = self.stratum_c or [""] * self.m
        of_c = [f"{stratum}\t{unit}" for stratum, unit in zip(strata, self.unit_c, strict=True)]
        _, unit_c, size_u = np.unique(of_c, return_inverse=True, return_counts=True)
        return np.asarray(1 / size_u[unit_c])


def _rows(n: int) -> list[NDArray[np.intp]]:
    return np.array_split(np.arange(n), max(1, -(-n // ROWS)))


def _joined(parts: Sequence[PValues]) -> PValues:
    return PValues(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def conformal_p_values(score_n: ArrayLike, calibration_m: ArrayLike) -> Array:
    """Share of calibration samples at least as strange, counting the sample itself: by ranks.

    Parameters
    ----------
    score_n
        Scores, higher is stranger; NaN gives NaN.
    calibration_m
        Scores of samples that were neither trained on nor selected by their score.

    Examples
    --------
    >>> from tybalt_like import anomaly
    >>> anomaly.conformal_p_values([0.5, 3.1], [1.0, 2.0, 3.0, 4.0])
    array([1. , 0.4])
    """
    known_m = np.asarray(calibration_m, dtype=np.float64)
    calibration = Calibration(len(known_m), rule="conformal")
    return calibration._by_rank(np.asarray(score_n, dtype=np.float64), known_m).p_n


def _no_more(score_n: Array) -> Array:
    """The scores, less what rounding may have added."""
    return score_n - ROUNDING * np.maximum(1, np.abs(score_n))


def _read_off(score_n: Array, score_nm: Array, weight_nm: Array, rule: Rule) -> PValues:
    """p-values among weighted calibration scores; NaN where none has any weight."""
    total_n = weight_nm.sum(1)
    at_least_n = (weight_nm * (score_nm >= _no_more(score_n)[:, None])).sum(1)
    p_n = (1 + at_least_n) / (total_n + 1)
    extrapolated_n = np.zeros(len(score_n), dtype=bool)
    if rule == "conditional":
        p_n = _conditional(p_n, total_n)
    few_n = total_n < ENOUGH
    if rule == "auto" and few_n.any():
        p_n[few_n] = _with_tail(score_n[few_n], score_nm[few_n], weight_nm[few_n], p_n[few_n])
        extrapolated_n = few_n & (p_n < (1 - ROUNDING) / (total_n + 1))
    known_n = ~np.isnan(score_n) & (total_n > 0)
    return PValues(np.where(known_n, p_n, np.nan), known_n & extrapolated_n)


def _with_tail(score_n: Array, score_nm: Array, weight_nm: Array, plain_n: Array) -> Array:
    """The same with an exponential tail; by ranks where there are too few scores for one."""
    order_nm = np.argsort(np.where(weight_nm > 0, -score_nm, np.inf), axis=1, kind="stable")
    falling_nm = np.take_along_axis(score_nm, order_nm, axis=1)
    weight_nm = np.take_along_axis(weight_nm, order_nm, axis=1)
    above_nm, total_n = np.cumsum(weight_nm, axis=1), weight_nm.sum(1)
    wanted_n = np.maximum(LEAST_TAIL, np.ceil(TAIL * total_n - ROUNDING))
    start_n = (above_nm <= wanted_n[:, None] + ROUNDING).sum(1)
    usable_n = (start_n > 0) & (start_n < (weight_nm > 0).sum(1))
    start_n = np.where(usable_n, start_n, 1).clip(max=score_nm.shape[1] - 1)
    rows = np.arange(len(score_n))
    u_n = falling_nm[rows, start_n]
    k_n = np.where(usable_n, above_nm[rows, start_n - 1], 1.0)
    in_tail_nm = np.arange(score_nm.shape[1]) < start_n[:, None]
    excess_n = (in_tail_nm * weight_nm * (falling_nm - u_n[:, None])).sum(1) / k_n
    usable_n &= excess_n > ROUNDING * np.maximum(1, np.abs(u_n))
    at_start_n = (k_n + 1) / (total_n + 1)
    further_n = np.maximum(score_n - u_n, 0) / (k_n * np.where(usable_n, excess_n, 1.0))
    tail_n = at_start_n * (1 + further_n) ** -k_n
    p_n = np.where(score_n > u_n, tail_n, np.maximum(plain_n, at_start_n))
    return np.asarray(np.where(usable_n, p_n, plain_n))


def _conditional(plain_n: Array, total_n: Array) -> Array:
    """The bound of Simes on the share of normal samples with such a rank (Bates et al. 2023,
    equation 9); half of the ranks decide, which makes it sharpest for small p."""
    from scipy.special import gammaln

    m_n = np.maximum(np.rint(total_n), 1)
    k_n = np.maximum(1, m_n // 2)
    below_n = m_n + 1 - np.rint(plain_n * (total_n + 1))  # calibration scores that are smaller
    falling_n = gammaln(below_n + 1) - gammaln(np.maximum(below_n - k_n, 0) + 1)
    whole_n = gammaln(m_n + 1) - gammaln(m_n - k_n + 1)
    share_n = 1 - np.exp((np.log(1 - CONFIDENCE) + falling_n - whole_n) / k_n)
    return np.asarray(np.where(below_n >= k_n, share_n, 1.0))


def q_values(p_n: ArrayLike) -> Array:
    """Benjamini-Hochberg adjusted p-values; NaN entries stay NaN and are not counted.

    Flagging ``q <= a`` keeps the expected share of false flags below a; this holds for
    conformal p-values that share one calibration set (Bates et al. 2023, theorem 2).

    Examples
    --------
    >>> from tybalt_like import anomaly
    >>> anomaly.q_values([0.01, 0.02, 0.5])
    array([0.03, 0.03, 0.5 ])
    """
    from scipy.stats import false_discovery_control

    p_n = np.asarray(p_n, dtype=np.float64)
    q_n = np.full_like(p_n, np.nan)
    known_n = ~np.isnan(p_n)
    if known_n.any():
        q_n[known_n] = false_discovery_control(p_n[known_n])
    return q_n
