"""Each gene gets training median 0 and a robust spread of 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.select import mean_ad, median, median_ad
from tybalt_like.pp.transforms.base import Scaler


@dataclass(frozen=True)
class RobustZ(Scaler, name="robust_z", setting="scale"):
    """(x - median) / (1.4826 MAD), which estimates the standard deviation of normal values.

    Where more than half of the values are equal, the MAD is 0 and 1.2533 x the mean absolute
    deviation stands in (Iglewicz & Hoaglin 1993). A constant gene becomes 0.
    """

    median_g: Floats
    spread_g: Floats

    @classmethod
    def fit(cls, x_ng: Floats) -> Self:
        mad_g = 1.4826 * median_ad(x_ng)
        return cls(median(x_ng), np.where(mad_g > 0, mad_g, 1.2533 * mean_ad(x_ng)))

    def transform(self, x_ng: Floats) -> Floats:
        varies_g = self.spread_g > 1e-6 * np.abs(self.median_g)
        return (x_ng - self.median_g) * varies_g / np.where(varies_g, self.spread_g, 1)

    def inverse(self, x_ng: Floats) -> Floats:
        return self.median_g + x_ng * self.spread_g
