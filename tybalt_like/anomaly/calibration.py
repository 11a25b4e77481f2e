"""From scores to error rates: split-conformal p-values and Benjamini-Hochberg q-values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-9
"""Scores that differ by less are equal: the last digits depend on what is computed together."""


def conformal_p_values(
    score_n: ArrayLike,
    calibration_m: ArrayLike,
    *,
    group_n: Sequence[str] | None = None,
    calibration_group_m: Sequence[str] | None = None,
) -> NDArray[np.float64]:
    """Share of calibration samples at least as strange, counting the sample itself.

    ``p = (1 + #{calibration >= score}) / (m + 1)``. For a sample exchangeable with the
    calibration samples, P(p <= a) <= a for every a (Vovk et al. 2005; Bates et al., Ann Stat
    2023). The smallest possible value is ``1 / (m + 1)``.

    With groups (a label, a batch), each sample is compared with the calibration samples of its
    own group, and the guarantee holds within every group (Mondrian prediction, Vovk 2003). A
    group without calibration samples gets NaN.

    Parameters
    ----------
    score_n
        Scores, higher is stranger; NaN gives NaN.
    calibration_m
        Scores of samples that were neither trained on nor selected by their score.
    group_n, calibration_group_m
        Group of every sample; give both or neither.
    """
    score_n = np.asarray(score_n, dtype=np.float64)
    calibration_m = np.asarray(calibration_m, dtype=np.float64)
    if group_n is None or calibration_group_m is None:
        return _p_values(score_n, calibration_m)
    groups_n, groups_m = np.asarray(group_n, str), np.asarray(calibration_group_m, str)
    p_n = np.full(score_n.shape, np.nan)
    for group in np.unique(groups_m):
        mine_n = groups_n == group
        p_n[mine_n] = _p_values(score_n[mine_n], calibration_m[groups_m == group])
    return p_n


def _p_values(
    score_n: NDArray[np.float64], calibration_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    ordered_m = np.sort(calibration_m)
    equal_n = ROUNDING * np.maximum(1, np.abs(score_n))
    at_least_n = len(ordered_m) - np.searchsorted(ordered_m, score_n - equal_n, side="left")
    return np.where(np.isnan(score_n), np.nan, (1 + at_least_n) / (len(ordered_m) + 1))


def q_values(p_n: ArrayLike) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p-values; NaN entries stay NaN and are not counted.

    Flagging ``q <= a`` keeps the expected share of false flags below a; this holds for
    conformal p-values that share one calibration set (Bates et al. 2023, theorem 2).
    """
    from scipy.stats import false_discovery_control

    p_n = np.asarray(p_n, dtype=np.float64)
    q_n = np.full_like(p_n, np.nan)
    known_n = ~np.isnan(p_n)
    if known_n.any():
        q_n[known_n] = false_discovery_control(p_n[known_n])
    return q_n
