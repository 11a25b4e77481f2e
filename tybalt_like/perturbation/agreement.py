"""How well responses and changes were predicted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BOOTSTRAPS = 500
BINARY, CONTINUOUS = ("auroc", "auprc"), ("correlation", "rank_correlation")


def agreement(y_n: Floats, score_n: Floats, fold_n: NDArray[np.intp]) -> dict[str, float]:
    """Within folds, then averaged: the folds' models need not share a scale.

    Returns
    -------
    dict
        ``auroc`` and ``auprc`` (average precision) where all of `y_n` are 0 or 1, weighted by the
        folds' pairs of unlike samples and by their positives; else ``correlation`` (Pearson) and
        ``rank_correlation`` (Spearman), weighted by samples. NaN where no fold has both classes.
    """
    is_binary = bool(np.isin(y_n, (0, 1)).all())
    names, of = (BINARY, _binary) if is_binary else (CONTINUOUS, _continuous)
    rows = [of(y_n[fold_n == fold], score_n[fold_n == fold]) for fold in np.unique(fold_n)]
    value_fm = np.array([values for values, _ in rows])
    weight_fm = np.array([weights for _, weights in rows], dtype=float)
    known_fm = ~np.isnan(value_fm)
    weight_fm *= known_fm
    total_m = weight_fm.sum(0)
    sum_m = (np.where(known_fm, value_fm, 0) * weight_fm).sum(0)
    mean_m = np.divide(sum_m, total_m, out=np.full(len(names), np.nan), where=total_m > 0)
    return dict(zip(names, mean_m.tolist(), strict=True))


def intervals(
    y_n: Floats, score_n: Floats, *, fold_n: NDArray[np.intp], group_n: NDArray[np.str_], seed: int
) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals of `agreement`: groups are drawn, within their folds."""
    rng = np.random.default_rng(seed)
    group_code_n = np.unique(group_n, return_inverse=True)[1]
    members = [np.flatnonzero(group_code_n == g) for g in range(group_code_n.max() + 1)]
    fold_of_g = np.array([fold_n[rows[0]] for rows in members])
    by_fold = [np.flatnonzero(fold_of_g == fold) for fold in np.unique(fold_n)]
    drawn: dict[str, list[float]] = {}
    for _ in range(BOOTSTRAPS):
        picked = np.concatenate([rng.choice(groups, len(groups)) for groups in by_fold])
        rows = np.concatenate([members[g] for g in picked])
        for name, value in agreement(y_n[rows], score_n[rows], fold_n[rows]).items():
            drawn.setdefault(name, []).append(value)
    return {
        name: (float(np.nanquantile(values, 0.025)), float(np.nanquantile(values, 0.975)))
        if np.isfinite(values).any()
        else (np.nan, np.nan)
        for name, values in drawn.items()
    }


def _binary(y_n: Floats, score_n: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    from scipy.stats import rankdata

    n_positive = int((y_n == 1).sum())
    n_negative = len(y_n) - n_positive
    if not (n_positive and n_negative):
        return (np.nan, np.nan), (0.0, 0.0)
    rank_n = rankdata(score_n)
    wins = rank_n[y_n == 1].sum() - n_positive * (n_positive + 1) / 2
    above_n = len(y_n) + 1 - rankdata(score_n, method="min")  # samples with at least the score
    positive = score_n[y_n == 1]
    hits = len(positive) + 1 - rankdata(positive, method="min")
    auprc = float((hits / above_n[y_n == 1]).mean())
    unlike = n_positive * n_negative
    return (float(wins / unlike), auprc), (unlike, n_positive)


def _continuous(y_n: Floats, score_n: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    from scipy.stats import rankdata

    if len(y_n) < 3 or np.ptp(y_n) == 0:
        return (np.nan, np.nan), (0.0, 0.0)
    pearson = correlations(y_n[:, None], score_n[:, None])[0]
    spearman = correlations(rankdata(y_n)[:, None], rankdata(score_n)[:, None])[0]
    return (float(pearson), float(spearman)), (len(y_n), len(y_n))


def correlations(a_ng: Floats, b_ng: Floats) -> Floats:
    """Pearson correlation of each column, (g,); 0 where one of the two does not vary."""
    a, b = (np.asarray(x, dtype=np.float64) for x in (a_ng, b_ng))
    a, b = a - a.mean(0), b - b.mean(0)
    scale_g = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    known_g = scale_g > 1e-9 * max(1.0, float(scale_g.max(initial=0)))
    found_g: Floats = np.divide((a * b).sum(0), scale_g, out=np.zeros_like(scale_g), where=known_g)
    return found_g


CHANGE: dict[str, Callable[[Floats, Floats, Floats], float]] = {
    "gene_correlation": lambda x1, x2, p2: float(np.median(correlations(x2 - x1, p2 - x1))),
    "treated_gene_correlation": lambda _, x2, p2: float(np.median(correlations(x2, p2))),
    "sample_correlation": lambda x1, x2, p2: float(np.mean(correlations((x2 - x1).T, (p2 - x1).T))),
    "mean_correlation": lambda x1, x2, p2: float(
        correlations((x2 - x1).mean(0)[:, None], (p2 - x1).mean(0)[:, None])[0]
    ),
    "explained": lambda x1, x2, p2: float(1 - ((x2 - p2) ** 2).sum() / ((x2 - x1) ** 2).sum()),
}
"""Of profiles before, after, and predicted, (n, g) each:

``gene_correlation``: per gene over samples, of the measured and the predicted change; median gene.
``treated_gene_correlation``: the same of the treated profiles themselves. Noise in the profile
before treatment is part of the measured change and known to a predictor, so the correlation of
changes has a head start that this one lacks.
``sample_correlation``: per sample over genes, of the changes; mean.
``mean_correlation``: over genes, of the mean changes.
``explained``: share of the squared change that the prediction explains; 0 for "no change".
"""


def change_agreement(x1_ng: Floats, x2_ng: Floats, predicted_ng: Floats) -> dict[str, float]:
    """The measures `CHANGE`."""
    of = (np.asarray(x, dtype=np.float64) for x in (x1_ng, x2_ng, predicted_ng))
    x1, x2, p2 = of
    return {name: measure(x1, x2, p2) for name, measure in CHANGE.items()}
