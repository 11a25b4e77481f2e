"""Counts per million."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.transforms.base import SampleTransform


def library_size(x_ng: Floats) -> Floats:
    """Sum of each sample, (n, 1); 1 for a sample without any count, which then stays at 0."""
    total_n = np.nansum(x_ng, axis=1, keepdims=True)
    return np.where(total_n > 0, total_n, 1.0)


@dataclass(frozen=True)
class CPM(SampleTransform, name="cpm", setting="library"):
    """Each sample's counts are scaled to add up to 1,000,000."""

    @classmethod
    def fit(cls, chunks: Iterable[Floats]) -> Self:  # noqa: ARG003 - there is nothing to learn
        return cls()

    def transform(self, x_ng: Floats) -> Floats:
        return x_ng / library_size(x_ng) * 1e6
