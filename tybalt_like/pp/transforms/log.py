"""Logarithms of linear values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.transforms.base import Transform


@dataclass(frozen=True)
class Log2(Transform, name="log2", setting="log"):
    """log2(x + 1); with a floor above 0, log2 of the larger of x and the floor.

    Parameters
    ----------
    floor
        Smallest value that the logarithm is taken of. Raw array intensities, which hold negative
        values, need one above 0.
    """

    floor: float = 0.0

    def transform(self, x_ng: Floats) -> Floats:
        return np.asarray(np.log2(np.maximum(x_ng, self.floor) + (self.floor == 0)))


@dataclass(frozen=True)
class Log1p(Transform, name="log1p", setting="log"):
    """The same with the natural logarithm, as scanpy's log1p."""

    floor: float = 0.0

    def transform(self, x_ng: Floats) -> Floats:
        return np.asarray(np.log(np.maximum(x_ng, self.floor) + (self.floor == 0)))
