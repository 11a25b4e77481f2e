"""Each gene gets training mean 0 and standard deviation 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.transforms.base import Scaler


@dataclass(frozen=True)
class ZScore(Scaler, name="zscore", setting="scale"):
    """(x - mean) / standard deviation (n in the denominator); a constant gene becomes 0."""

    mean_g: Floats
    sd_g: Floats

    @classmethod
    def fit(cls, x_ng: Floats) -> Self:
        return cls(np.nanmean(x_ng, axis=0), np.nanstd(x_ng, axis=0))

    def transform(self, x_ng: Floats) -> Floats:
        varies_g = self.sd_g > 1e-6 * np.maximum(1, np.abs(self.mean_g))
        return np.where(varies_g, (x_ng - self.mean_g) / np.where(varies_g, self.sd_g, 1), 0)

    def inverse(self, x_ng: Floats) -> Floats:
        return self.mean_g + x_ng * self.sd_g
