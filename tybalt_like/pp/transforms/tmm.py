"""edgeR's trimmed mean of M-values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.transforms.base import SampleTransform
from tybalt_like.pp.transforms.cpm import library_size

TRIM_RATIO, TRIM_ABUNDANCE = 0.3, 0.05


@dataclass(frozen=True)
class TMM(SampleTransform, name="tmm", setting="library"):
    """Counts per million of an effective library size: the library size times a factor that makes
    most genes equal to those of a reference sample.

    Robinson & Oshlack, Genome Biology 11:R25 (2010); `calcNormFactors` of edgeR. The reference is
    the training sample whose upper quartile is nearest to the mean one; new samples are compared
    with it too.

    Parameters
    ----------
    reference_g
        Counts of the reference sample.
    log2_mean
        Mean log2 factor of the training samples: their factors have a geometric mean of 1.
    """

    reference_g: Floats
    log2_mean: float

    @classmethod
    def fit(cls, chunks: Iterable[Floats]) -> Self:
        seen_g = np.logical_or.reduce([(x_ng > 0).any(axis=0) for x_ng in chunks])
        upper_n = np.concatenate(
            [np.quantile((x_ng / library_size(x_ng))[:, seen_g], 0.75, axis=1) for x_ng in chunks]
        )
        chosen = int(np.argmin(np.abs(upper_n - upper_n.mean())))
        rows = (row_g for x_ng in chunks for row_g in x_ng)
        reference_g = next(row_g for i, row_g in enumerate(rows) if i == chosen)
        raw = cls(reference_g, 0.0)
        return cls(
            reference_g, float(np.mean(np.concatenate([raw.log2_factors(x) for x in chunks])))
        )

    def log2_factors(self, x_ng: Floats) -> Floats:
        """log2 of each sample's factor, (n,)."""
        return np.array([self._log2_factor(x_g) for x_g in x_ng]) - self.log2_mean

    def transform(self, x_ng: Floats) -> Floats:
        effective_n = library_size(x_ng) * 2 ** self.log2_factors(x_ng)[:, None]
        return x_ng / effective_n * 1e6

    def _log2_factor(self, x_g: Floats) -> float:
        """Weighted mean of the log-ratios that are extreme neither as ratio nor in abundance."""
        from scipy.stats import rankdata

        known_g = np.isfinite(x_g)
        total, reference_total = x_g[known_g].sum(), self.reference_g[known_g].sum()
        both_g = known_g & (x_g > 0) & (self.reference_g > 0)
        x, reference = x_g[both_g], self.reference_g[both_g]
        share, reference_share = x / total, reference / reference_total
        ratio = np.log2(share / reference_share)  # not a difference of logarithms: ties must stay
        if not len(x) or np.abs(ratio).max() < 1e-6:
            return 0.0
        abundance = np.log2(share * reference_share) / 2
        variance = 1 / x - 1 / total + 1 / reference - 1 / reference_total
        kept = _inner(rankdata(ratio), TRIM_RATIO) & _inner(rankdata(abundance), TRIM_ABUNDANCE)
        return float(np.average(ratio[kept], weights=1 / variance[kept])) if kept.any() else 0.0


def _inner(rank: Floats, trim: float) -> NDArray[np.bool_]:
    """Ranks that remain when a share is trimmed from both ends, counted as edgeR does."""
    low = np.floor(len(rank) * trim) + 1
    return np.asarray((rank >= low) & (rank <= len(rank) + 1 - low))
