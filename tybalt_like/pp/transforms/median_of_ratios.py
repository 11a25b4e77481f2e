"""DESeq2's size factors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.core.errors import DataError
from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.transforms.base import SampleTransform


@dataclass(frozen=True)
class MedianOfRatios(SampleTransform, name="median_of_ratios", setting="library"):
    """Counts divided by the sample's size factor: the median, over the genes that every training
    sample expresses, of the ratio to the gene's geometric mean in training.

    Anders & Huber, Genome Biology 11:R106 (2010); `estimateSizeFactors` of DESeq2. A new sample is
    compared with the same geometric means, as with DESeq2's argument `geoMeans`.

    Parameters
    ----------
    geometric_mean_g
        Geometric mean of the training counts; 0 for a gene with a zero, which is not used.
    """

    geometric_mean_g: Floats

    @classmethod
    def fit(cls, chunks: Iterable[Floats]) -> Self:
        log_g: Floats | float = 0.0
        n = 0
        for x_ng in chunks:
            with np.errstate(divide="ignore"):
                log_g = log_g + np.log(x_ng).sum(axis=0)
            n += len(x_ng)
        mean_g = np.nan_to_num(np.exp(np.asarray(log_g) / n))
        if not mean_g.any():
            raise DataError(
                "no gene is above 0 in every training sample, so there are no ratios to take the "
                "median of; set normalize.library to 'cpm'"
            )
        return cls(mean_g)

    def size_factors(self, x_ng: Floats) -> Floats:
        """Size factor of each sample, (n,); 1 for a sample without a count in any used gene."""
        used_g = self.geometric_mean_g > 0
        x_ng = x_ng[:, used_g]
        positive_ng = x_ng > 0
        ratio_ng = np.full(x_ng.shape, np.nan)
        np.log(x_ng, out=ratio_ng, where=positive_ng)
        ratio_ng -= np.log(self.geometric_mean_g[used_g])
        ratio_ng[~positive_ng.any(axis=1)] = 0
        return np.asarray(np.exp(np.nanmedian(ratio_ng, axis=1)))

    def transform(self, x_ng: Floats) -> Floats:
        return x_ng / self.size_factors(x_ng)[:, None]
