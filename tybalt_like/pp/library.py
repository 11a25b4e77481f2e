"""Counts on a common library size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.pp.base import SampleTransform
from tybalt_like.pp.matrix import Floats


@dataclass(frozen=True)
class CPM(SampleTransform, name="cpm"):
    """Counts per million: each sample's counts add up to 1,000,000."""

    @classmethod
    def fit(cls, chunks: Iterable[Floats]) -> Self:  # noqa: ARG003 - nothing to learn
        return cls()

    def transform(self, x_ng: Floats) -> Floats:
        total_n = np.nansum(x_ng, axis=1, keepdims=True)
        return x_ng / np.where(total_n > 0, total_n, 1) * 1e6
