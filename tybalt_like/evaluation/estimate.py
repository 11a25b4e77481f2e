"""A measured number with its uncertainty, so that differences on the same samples are paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number measured on n samples, and by how much each of them moves it.

    Attributes
    ----------
    value
        The number.
    influence_n
        First-order change of the number per sample, adding up to 0; None where it is not known.
        The standard error is the root of the sum of squares (infinitesimal jackknife; Efron,
        The Jackknife, the Bootstrap and Other Resampling Plans, 1982).
    """

    value: float
    influence_n: Array | None = None

    @property
    def standard_error(self) -> float:
        """Uncertainty that comes from the choice of samples; NaN if it is not known."""
        return np.nan if self.influence_n is None else float(np.linalg.norm(self.influence_n))

    def __sub__(self, other: Estimate) -> Estimate:
        """Difference of two numbers measured on the same samples: what they share cancels."""
        if self.influence_n is None or other.influence_n is None:
            return Estimate(self.value - other.value)
        return Estimate(self.value - other.value, self.influence_n - other.influence_n)

    def by_group(self, group_n: NDArray[np.intp]) -> Estimate:
        """The same number with groups of samples as units, each of which is moved as one."""
        if self.influence_n is None:
            return self
        return Estimate(self.value, np.bincount(group_n, self.influence_n).astype(np.float64))

    @classmethod
    def mean(cls, value_n: ArrayLike) -> Estimate:
        """Mean of one value per sample; its standard error is the usual ``s / sqrt(n)``."""
        value_n = np.asarray(value_n, dtype=np.float64)
        n, mean = len(value_n), float(value_n.mean())
        return cls(mean, (value_n - mean) / np.sqrt(n * (n - 1)) if n > 1 else None)

    @classmethod
    def average(cls, estimates: Sequence[Estimate]) -> Estimate:
        """Mean of several estimates from the same samples, such as repeats of one measurement."""
        influences = [e.influence_n for e in estimates if e.influence_n is not None]
        complete = len(influences) == len(estimates)
        value = float(np.mean([e.value for e in estimates]))
        return cls(value, np.mean(influences, axis=0) if complete else None)
