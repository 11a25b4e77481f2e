"""Which genes a treatment changes, by replicates: moderated t-tests as limma does them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


class Variance(NamedTuple):
    """Variance of each gene within cells of replicates, (g,), and its degrees of freedom."""

    value_g: Floats
    df: float


def within(x_ng: Floats, cell_n: Codes) -> Variance:
    """Pooled over cells; without degrees of freedom if no cell has two samples."""
    n_cells = cell_n.max(initial=-1) + 1
    sum_cg = np.zeros((n_cells, x_ng.shape[1]))
    np.add.at(sum_cg, cell_n, x_ng)
    mean_cg = sum_cg / np.maximum(np.bincount(cell_n, minlength=n_cells), 1)[:, None]
    df = len(x_ng) - len(np.unique(cell_n))
    return Variance(((x_ng - mean_cg[cell_n]) ** 2).sum(0) / max(df, 1), float(df))


def moderated(variance: Variance) -> Variance:
    """Gene-wise variances shrunk towards the one that all genes share.

    A scaled F distribution is fitted to them by the moments of their logarithms. Source: Smyth,
    Stat Appl Genet Mol Biol 3:3 (2004), section 6.2.
    """
    from scipy.special import digamma, polygamma

    s2_g, df = variance
    positive_g = s2_g > 0
    if df < 1 or positive_g.sum() < 3:
        return variance
    half = df / 2
    e_g = np.log(s2_g[positive_g]) - digamma(half) + np.log(half)
    excess = float(e_g.var(ddof=1) - polygamma(1, half))
    if excess <= 0:
        return Variance(np.full_like(s2_g, np.exp(e_g.mean())), np.inf)
    prior_df = 2 * _inverse_trigamma(excess)
    prior = float(np.exp(e_g.mean() + digamma(prior_df / 2) - np.log(prior_df / 2)))
    return Variance((prior_df * prior + df * s2_g) / (prior_df + df), prior_df + df)


def p_values(difference_cg: Floats, variance: Variance, weight_c: Floats) -> Floats:
    """Two-sided p of differences of means, (c, g).

    `weight_c` is ``1 / n + 1 / m`` for means of n and of m samples.
    """
    from scipy.stats import norm, t

    sd_cg = np.sqrt(weight_c[:, None] * variance.value_g)
    t_cg = np.divide(difference_cg, sd_cg, out=np.zeros_like(difference_cg), where=sd_cg > 0)
    tail = norm.sf(np.abs(t_cg)) if np.isinf(variance.df) else t.sf(np.abs(t_cg), variance.df)
    return np.asarray(2 * tail)


def _inverse_trigamma(value: float) -> float:
    """The x with ``trigamma(x) = value``, by Newton's method on 1 / trigamma, which is convex."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(50):
        found = float(polygamma(1, x))
        step = found * (1 - found / value) / float(polygamma(2, x))
        x += step
        if -step < 1e-8 * x:
            break
    return x
