"""Counts of samples, and what is known of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tybalt_like.aberrant.statistics import Floats


class Samples(NamedTuple):
    """Counts (n, g), size factors (n,) and centred covariates (n, c)."""

    x_ng: Floats
    size_n: Floats
    c_nc: Floats

    @property
    def log_ng(self) -> Floats:
        """``log((count + 1) / size factor)``."""
        return np.asarray(np.log((self.x_ng + 1) / self.size_n[:, None]))

    @property
    def design_nc(self) -> Floats:
        """A column of ones, and the covariates."""
        return np.column_stack([np.ones(len(self.x_ng)), self.c_nc])

    def counts(self, log_ng: Floats) -> Floats:
        """Counts of such logarithms, at least 0."""
        return np.maximum(np.exp(log_ng) * self.size_n[:, None] - 1, 0)
