"""Quantile normalisation to the training distribution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.transforms.base import SampleTransform


@dataclass(frozen=True)
class Quantile(SampleTransform, name="quantile", setting="quantile"):
    """Every sample gets the same distribution: the mean of the sorted training samples.

    Bolstad et al., Bioinformatics 19:185 (2003). Tied values stay tied at the value of their mean
    rank, and samples with fewer genes are interpolated, as limma's `normalizeQuantiles` does.

    Parameters
    ----------
    target_q
        The distribution, in rising order, one value per gene.
    """

    target_q: Floats

    @classmethod
    def fit(cls, chunks: Iterable[Floats]) -> Self:
        total_q: Floats | float = 0.0
        n = 0
        for x_ng in chunks:
            whole = not np.isnan(x_ng).any()
            total_q += np.sort(x_ng, axis=1).sum(axis=0) if whole else _sorted_without_gaps(x_ng)
            n += len(x_ng)
        return cls(np.asarray(total_q / n))

    def transform(self, x_ng: Floats) -> Floats:
        from scipy.stats import rankdata

        grid_q = np.linspace(0, 1, len(self.target_q))
        result_ng = np.full(x_ng.shape, np.nan)
        for x_g, result_g in zip(x_ng, result_ng, strict=True):
            known_g = np.isfinite(x_g)
            rank = rankdata(x_g[known_g]) - 1
            result_g[known_g] = np.interp(rank / max(1, len(rank) - 1), grid_q, self.target_q)
        return result_ng


def _sorted_without_gaps(x_ng: Floats) -> Floats:
    """Sum over samples of the sorted values, those with missing ones stretched to all genes."""
    grid_q = np.linspace(0, 1, x_ng.shape[1])
    rows = [np.sort(x_g[np.isfinite(x_g)]) for x_g in x_ng]
    stretched = [np.interp(grid_q, np.linspace(0, 1, len(r)), r) for r in rows if len(r)]
    return np.asarray(np.sum(stretched, axis=0))
