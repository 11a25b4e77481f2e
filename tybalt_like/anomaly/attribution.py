"""The genes, and sets of genes, that make a sample strange."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.anomaly.outputs import Array, ModelOutputs, floored

LEAST_SD = 0.01
"""Smallest standard deviation of a gene's calibration residual, as a share of the median gene's."""


@dataclass(frozen=True)
class ResidualStatistics:
    """Mean and spread of every gene's residual over the calibration samples.

    The variance of each gene is moderated (Smyth 2004, the empirical Bayes of limma): a few
    calibration samples say little about one gene, but thousands of genes say how variances
    scatter. Each variance is a compromise between its own and the typical one; the more alike the
    genes are, the more the typical one weighs.

    Attributes
    ----------
    n
        Calibration samples.
    df
        Degrees of freedom of the moderated variances.
    """

    mean_g: Array
    sd_g: Array
    n: Array
    df: Array

    @classmethod
    def fit(cls, residual_cg: Array) -> Self:
        """Learn from held-out samples; NaN where a sample's model was not given the gene."""
        n = len(residual_cg)
        own_df = max(n - 1, 1)
        residual_cg = np.where(np.isnan(residual_cg).all(0), 0.0, residual_cg)
        sd_g = np.zeros(residual_cg.shape[1])
        if n > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # a gene that one sample has
                sd_g = np.nan_to_num(np.nanstd(residual_cg, axis=0, ddof=1))
        variance_g = np.square(floored(sd_g, share=LEAST_SD))
        prior_df, typical = _prior(variance_g, own_df)
        weight = 1.0 if np.isinf(prior_df) else prior_df / (prior_df + own_df)
        return cls(
            mean_g=np.nanmean(residual_cg, axis=0),
            sd_g=np.sqrt(weight * typical + (1 - weight) * variance_g),
            n=np.array(n),
            df=np.array(prior_df + own_df),
        )

    def z(self, residual_ng: Array) -> Array:
        """Residuals of new samples in their standard deviations, (n, g).

        What to expect is itself known from `n` samples only, hence the factor ``1 + 1 / n``.
        """
        return np.asarray((residual_ng - self.mean_g) / (self.sd_g * np.sqrt(1 + 1 / self.n)))

    def p_values(self, z_ng: Array) -> Array:
        """Two-sided, from Student's t."""
        from scipy.stats import t

        return np.asarray(2 * t.sf(np.abs(z_ng), float(self.df)))


def gene_scores(
    residuals: ResidualStatistics,
    samples: ModelOutputs,
    *,
    names: Sequence[str],
    genes: Sequence[str],
    n_top: int = 20,
) -> pd.DataFrame:
    """The `n_top` genes of each sample that the model misses by most.

    z is the residual (observed - expected), standardised by that gene's residuals over the
    calibration samples (`ResidualStatistics`), so that genes the model never gets right do not
    dominate.

    Returns
    -------
    pandas.DataFrame
        Columns ``sample, rank, gene, observed, expected, z, p_value, p_adjusted, share,
        direction``, ranked by ``|z|``. Observed and expected are on the normalised scale that the
        model sees. ``p_adjusted``: Benjamini-Yekutieli over all genes of the sample, which holds
        however they depend on each other. ``share``: of the sum of squared z over all genes.
    """
    from scipy.stats import false_discovery_control

    z_ng = residuals.z(samples.residual_ng)
    p_ng = residuals.p_values(z_ng)
    squared_ng = np.square(z_ng)
    total_n1 = squared_ng.sum(1, keepdims=True)
    n_top = min(n_top, z_ng.shape[1])
    top_nt = np.argsort(-np.abs(z_ng), axis=1, kind="stable")[:, :n_top]

    def top(values_ng: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.take_along_axis(values_ng, top_nt, axis=1).ravel()

    z = top(z_ng)
    return pd.DataFrame(
        {
            "sample": np.repeat(np.asarray(names, dtype=object), n_top),
            "rank": np.tile(np.arange(1, n_top + 1), len(names)),
            "gene": np.asarray(genes, dtype=object)[top_nt.ravel()],
            "observed": top(samples.x_ng),
            "expected": top(samples.reconstruction_ng),
            "z": z,
            "p_value": top(p_ng),
            "p_adjusted": top(false_discovery_control(p_ng, axis=1, method="by")),
            "share": top(squared_ng / np.where(total_n1 > 0, total_n1, 1.0)),
            "direction": np.where(z > 0, "up", "down"),
        }
    )


def _prior(variance_g: Array, df: int) -> tuple[float, float]:
    """Degrees of freedom and scale of the distribution that the genes' variances come from.

    By the moments of their logarithms (Smyth 2004, section 6.2): half the degrees of freedom is
    where the trigamma function takes the variance that sampling does not explain.
    """
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    log_g = np.log(variance_g) - digamma(df / 2) + np.log(df / 2)
    excess = float(log_g.var(ddof=1) - polygamma(1, df / 2)) if len(log_g) > 1 else 0.0
    if excess <= polygamma(1, 1e6):
        return float("inf"), float(np.exp(log_g.mean()))
    half = np.exp(brentq(lambda x: float(polygamma(1, np.exp(x))) - excess, -20, 15))
    return float(2 * half), float(np.exp(log_g.mean() + digamma(half) - np.log(half)))
