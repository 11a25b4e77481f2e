"""Each gene's training range becomes [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.select import spread
from tybalt_like.pp.transforms.base import Scaler


@dataclass(frozen=True)
class ZeroOne(Scaler, name="zero_one", setting="scale"):
    """(x - low) / (high - low), clipped into [0, 1]; a constant gene becomes 0.

    Tybalt's scaling, with the clipping of new samples of ADAGE's projector.
    """

    low_g: Floats
    high_g: Floats

    @classmethod
    def fit(cls, x_ng: Floats) -> Self:
        return cls(np.nanmin(x_ng, axis=0), np.nanmax(x_ng, axis=0))

    def transform(self, x_ng: Floats) -> Floats:
        span_g = self.high_g - self.low_g
        varies_g = spread(self.low_g, self.high_g)
        scaled_ng = (x_ng - self.low_g) / np.where(varies_g, span_g, 1)
        return np.clip(np.where(varies_g, scaled_ng, 0), 0, 1)

    def inverse(self, x_ng: Floats) -> Floats:
        return self.low_g + x_ng * (self.high_g - self.low_g)
