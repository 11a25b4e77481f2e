"""Imputation from the most similar training samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.transforms.base import GeneTransform

NEIGHBOURS = 5


@dataclass(frozen=True)
class KNN(GeneTransform, name="knn", setting="missing"):
    """A missing value is the mean of the five nearest training samples that have it.

    Troyanskaya et al., Bioinformatics 17:520 (2001), through scikit-learn's `KNNImputer`. The
    training samples are part of the fitted state, so the saved file is as large as they are.
    """

    training_ng: Floats

    @classmethod
    def fit(cls, x_ng: Floats) -> Self:
        return cls(x_ng)

    def transform(self, x_ng: Floats) -> Floats:
        from sklearn.impute import KNNImputer

        gaps_n = np.isnan(x_ng).any(axis=1)
        if not gaps_n.any():
            return x_ng
        imputer = KNNImputer(n_neighbors=NEIGHBOURS, keep_empty_features=True)
        result_ng = x_ng.copy()
        result_ng[gaps_n] = imputer.fit(self.training_ng).transform(x_ng[gaps_n])
        return result_ng
