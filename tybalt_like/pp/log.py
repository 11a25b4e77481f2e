"""Logarithm of linear values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tybalt_like.pp.base import Transform
from tybalt_like.pp.matrix import Floats


@dataclass(frozen=True)
class Log2(Transform, name="log2"):
    """log2(max(x, floor) + offset).

    Parameters
    ----------
    floor
        Values below are raised to it. 0 for counts and the like; raw array intensities hold
        negative values and need a positive one.
    offset
        1 keeps zeros at zero; 0 after a positive floor.
    """

    floor: float = 0.0
    offset: float = 1.0

    def transform(self, x_ng: Floats) -> Floats:
        return np.log2(np.maximum(x_ng, self.floor) + self.offset)
