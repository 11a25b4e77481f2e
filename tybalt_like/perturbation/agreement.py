"""How well responses were predicted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
BOOTSTRAPS = 1000
MIN_SAMPLES = 3
"""Any two numbers correlate."""
BINARY, CONTINUOUS = ("auroc", "auprc"), ("correlation", "rank_correlation")


def agreement(y_n: Floats, score_n: Floats, fold_n: Codes) -> dict[str, float]:
    """Within folds, then averaged: the folds' models need not share a scale.

    Returns
    -------
    dict
        ``auroc`` and ``auprc`` (average precision) where all of `y_n` are 0 or 1, weighted by the
        folds' pairs of unlike samples and by their positives; else ``correlation`` (Pearson) and
        ``rank_correlation`` (Spearman), weighted by samples. NaN where no fold has both classes.
    """
    names, value_bm = _weighted(y_n, score_n, fold_n, np.ones((1, len(y_n))))
    return dict(zip(names, value_bm[0].tolist(), strict=True))


def intervals(
    y_n: Floats, score_n: Floats, *, fold_n: Codes, group_n: NDArray[np.str_], seed: int
) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals of `agreement`: groups are drawn, within their folds."""
    rng = np.random.default_rng(seed)
    count_bn = np.zeros((BOOTSTRAPS, len(y_n)))
    for fold in np.unique(fold_n):
        rows = np.flatnonzero(fold_n == fold)
        code_r = np.unique(group_n[rows], return_inverse=True)[1]
        n = code_r.max() + 1
        count_bn[:, rows] = rng.multinomial(n, np.full(n, 1 / n), BOOTSTRAPS)[:, code_r]
    names, value_bm = _weighted(y_n, score_n, fold_n, count_bn)
    spans = {}
    for name, value_b in zip(names, value_bm.T, strict=True):
        known_b = value_b[~np.isnan(value_b)]
        ends = np.quantile(known_b, [0.025, 0.975]) if len(known_b) else (np.nan, np.nan)
        spans[name] = float(ends[0]), float(ends[1])
    return spans


def _weighted(
    y_n: Floats, score_n: Floats, fold_n: Codes, count_bn: Floats
) -> tuple[tuple[str, str], Floats]:
    """Names and values (b, 2) of both measures, every sample counting `count_bn` times."""
    is_binary = bool(np.isin(y_n, (0, 1)).all())
    names, of = (BINARY, _binary) if is_binary else (CONTINUOUS, _continuous)
    sum_bm, total_bm = np.zeros((len(count_bn), 2)), np.zeros((len(count_bn), 2))
    for fold in np.unique(fold_n):
        rows = fold_n == fold
        value_bm, weight_bm = of(y_n[rows], score_n[rows], count_bn[:, rows])
        sum_bm += np.where(weight_bm > 0, value_bm * weight_bm, 0)
        total_bm += weight_bm
    return names, _ratio(sum_bm, total_bm)


def _binary(y_n: Floats, score_n: Floats, count_bn: Floats) -> tuple[Floats, Floats]:
    """AUROC and average precision, and their weights, (b, 2) each."""
    is_positive = y_n == 1
    high_p, low_q = score_n[is_positive], score_n[~is_positive]
    count_bp, count_bq = count_bn[:, is_positive], count_bn[:, ~is_positive]
    n_b, unlike_b = count_bp.sum(1), count_bp.sum(1) * count_bq.sum(1)
    wins_pq = (high_p[:, None] > low_q) + 0.5 * (high_p[:, None] == low_q)
    auroc_b = _ratio(((count_bp @ wins_pq) * count_bq).sum(1), unlike_b)
    hits_bp = count_bp @ (high_p[:, None] >= high_p)
    above_bp = hits_bp + count_bq @ (low_q[:, None] >= high_p)
    auprc_b = _ratio((count_bp * np.nan_to_num(_ratio(hits_bp, above_bp))).sum(1), n_b)
    known_b = unlike_b > 0
    return np.stack([auroc_b, auprc_b], 1), np.stack([unlike_b, n_b * known_b], 1)


def _continuous(y_n: Floats, score_n: Floats, count_bn: Floats) -> tuple[Floats, Floats]:
    """Correlations of values and of their ranks, and their weights, (b, 2) each."""
    from scipy.stats import rankdata

    pairs = ((y_n, score_n), (rankdata(y_n), rankdata(score_n)))
    value_bm = np.stack([_correlation(a_n, b_n, count_bn) for a_n, b_n in pairs], 1)
    n_b = count_bn.sum(1) * ((count_bn > 0).sum(1) >= MIN_SAMPLES)
    return value_bm, np.where(np.isnan(value_bm), 0, n_b[:, None])


def _correlation(a_n: Floats, b_n: Floats, count_bn: Floats) -> Floats:
    n_b1 = np.maximum(count_bn.sum(1, keepdims=True), 1)
    a_bn, b_bn = (x_n - count_bn @ x_n[:, None] / n_b1 for x_n in (a_n, b_n))
    product_b = (count_bn * a_bn * b_bn).sum(1)
    return _ratio(product_b, np.sqrt((count_bn * a_bn**2).sum(1) * (count_bn * b_bn**2).sum(1)))


def _ratio(above: Floats, below: Floats) -> Floats:
    """NaN where nothing is below."""
    shape = np.full(np.shape(above), np.nan)
    found: Floats = np.divide(above, below, out=shape, where=below > 0)
    return found
