"""Directions of the latent space from one group of samples to another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]


def mean_difference(z_nk: Array, first_n: Mask, second_n: Mask) -> Array:
    """Vector from the mean code of one group to that of another, (k,)."""
    return np.asarray(z_nk[second_n].mean(0) - z_nk[first_n].mean(0))


def linear_probe(z_nk: Array, first_n: Mask, second_n: Mask) -> Array:
    """Vector along which a logistic regression parts two groups, as long as carries one mean to
    the other on it, (k,)."""
    from sklearn.linear_model import LogisticRegression

    z_mk = np.concatenate([z_nk[first_n], z_nk[second_n]])
    in_second_m = np.repeat([0, 1], [first_n.sum(), second_n.sum()])
    normal_k = LogisticRegression(C=0.1, max_iter=1000).fit(z_mk, in_second_m).coef_[0]
    apart = mean_difference(z_nk, first_n, second_n) @ normal_k
    return np.asarray(normal_k * apart / (normal_k @ normal_k))
