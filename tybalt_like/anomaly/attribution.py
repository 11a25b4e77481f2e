"""The genes that make a sample strange."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.anomaly.null import ResidualNull
from tybalt_like.anomaly.outputs import AT_ONCE, Array, ModelOutputs

USUAL = 0.05, 0.95
"""Quantiles of the reference samples that a sample's value is shown beside."""
OF_INTEREST = 0.5
"""Share of the false-discovery budget that genes of interest get, however few they are."""


@dataclass(frozen=True)
class UsualGenes:
    """What the reference samples say of every gene.

    Attributes
    ----------
    residuals
        How far it usually is from what the model expects.
    low_g, high_g
        The range of its observed values, from the 5 % to the 95 % quantile.
    """

    residuals: ResidualNull
    low_g: Array
    high_g: Array

    @classmethod
    def fit(
        cls,
        residual_cg: Array,
        observed_cg: NDArray[np.floating],
        chosen_cg: NDArray[np.bool_] | None = None,
    ) -> Self:
        """Learn from held-out samples; see `ResidualNull.fit`."""
        few = np.array_split(observed_cg, -(-observed_cg.size // AT_ONCE), axis=1)
        low_g, high_g = np.hstack([np.quantile(x.astype(np.float64), USUAL, axis=0) for x in few])
        return cls(ResidualNull.fit(residual_cg, chosen_cg=chosen_cg), low_g, high_g)


def gene_scores(
    usual: UsualGenes,
    samples: ModelOutputs,
    *,
    names: Sequence[str],
    genes: Sequence[str],
    n_top: int | None = 20,
    of_interest: Collection[str] = (),
) -> pd.DataFrame:
    """The `n_top` genes of each sample that are furthest from what is expected of it.

    Parameters
    ----------
    n_top
        All genes if None.
    of_interest
        Genes that matter more, such as those of a phenotype: together they get half of the
        false-discovery budget (a weighted Benjamini-Hochberg procedure), so that they are found
        more easily and come first where they are as strange. Error rates stay what they are if
        the list was made without looking at the samples.

    Returns
    -------
    pandas.DataFrame
        Columns ``sample, rank, gene, of_interest, observed, expected, difference, reference_low,
        reference_high, z, p_value, p_adjusted, share, direction``, the smallest (weighted) p-value
        first. Observed and expected (the closest normal profile that the model can make) are on the
        scale of the samples, log2 where a logarithm was taken, so that the difference is the log2
        fold change; the reference range holds nine tenths of the reference samples. ``z``: the
        difference by what is usual for the gene (`ResidualNull`), and ``p_value`` how often one
        sees such a z in ordinary samples; ``p_adjusted``: over all genes of the sample
        (`ResidualNull.adjusted`). ``share``: of the sum of squared z over all genes.
    """
    z_ng = usual.residuals.z(samples.residual_ng)
    p_ng = usual.residuals.p_values(z_ng)
    squared_ng = np.square(z_ng)
    total_n1 = squared_ng.sum(1, keepdims=True)
    n, n_genes = z_ng.shape
    interesting_g = np.isin(np.asarray(genes, dtype=object), list(of_interest))
    weight_g = _weights(interesting_g)
    n_top = n_genes if n_top is None else min(n_top, n_genes)
    top_nt = np.lexsort((-np.abs(z_ng), p_ng / weight_g), axis=1)[:, :n_top]

    def top(values_ng: NDArray[Any]) -> NDArray[Any]:
        values_ng = np.broadcast_to(values_ng, z_ng.shape)
        return np.take_along_axis(values_ng, top_nt, axis=1).ravel()

    return pd.DataFrame(
        {
            "sample": np.repeat(np.asarray(names, dtype=object), n_top),
            "rank": np.tile(np.arange(1, n_top + 1), n),
            "gene": top(np.asarray(genes, dtype=object)),
            "of_interest": top(interesting_g),
            "observed": top(samples.x_ng),
            "expected": top(samples.reconstruction_ng),
            "difference": top(samples.residual_ng),
            "reference_low": top(usual.low_g),
            "reference_high": top(usual.high_g),
            "z": top(z_ng),
            "p_value": top(p_ng),
            "p_adjusted": top(usual.residuals.adjusted(p_ng, weight_g)),
            "share": top(squared_ng / np.where(total_n1 > 0, total_n1, 1.0)),
            "direction": np.where(top(z_ng) > 0, "up", "down"),
        }
    )


def _weights(interesting_g: NDArray[np.bool_]) -> Array:
    """Of the genes, with a mean of 1; all alike if none or all are of interest."""
    n_genes, n = len(interesting_g), int(interesting_g.sum())
    share = max(OF_INTEREST, n / n_genes)
    if n in (0, n_genes) or share == n / n_genes:
        return np.ones(n_genes)
    return np.where(interesting_g, share * n_genes / n, (1 - share) * n_genes / (n_genes - n))
