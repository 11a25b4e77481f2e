"""How good generated samples are, and how varied, in some space of features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

Array = NDArray[np.float64]
MEMORY_MIB = 64
"""Of distances in flight at once."""


class Quality(NamedTuple):
    """Kynkäänniemi et al., NeurIPS 2019.

    Attributes
    ----------
    precision
        Share of generated samples that lie among real ones: do they look real?
    recall
        Share of real samples that lie among generated ones: is everything there?
    """

    precision: float
    recall: float


def frechet_distance(real_nf: ArrayLike, made_mf: ArrayLike) -> float:
    """Squared Frechet distance of two normal distributions with the samples' moments.

    ``|mu - nu|^2 + tr(A + B - 2 (A B)^1/2)``, Heusel et al., NeurIPS 2017 ("FID" in the features
    of an Inception network; any features will do, but values compare only within one kind).
    """
    real_nf, made_mf = (np.asarray(a, dtype=np.float64) for a in (real_nf, made_mf))
    apart = np.square(real_nf.mean(0) - made_mf.mean(0)).sum()
    real_ff, made_ff = np.cov(real_nf, rowvar=False), np.cov(made_mf, rowvar=False)
    # tr (A B)^1/2 by the eigenvalues of A^1/2 B A^1/2, which are real and at least 0.
    value_f, vector_ff = linalg.eigh(np.atleast_2d(real_ff))
    root_ff = (vector_ff * np.sqrt(value_f.clip(0))) @ vector_ff.T
    cross_f = linalg.eigvalsh(root_ff @ np.atleast_2d(made_ff) @ root_ff).clip(0)
    trace = np.trace(np.atleast_2d(real_ff)) + np.trace(np.atleast_2d(made_ff))
    return float(max(0.0, apart + trace - 2 * np.sqrt(cross_f).sum()))


def precision_recall(real_nf: ArrayLike, made_mf: ArrayLike, *, k: int = 3) -> Quality:
    """A sample lies among others if it is within the distance of one of them to its k-th
    neighbour.

    Use equally many of both; the values fall with fewer samples.
    """
    real_nf, made_mf = (np.asarray(a, dtype=np.float64) for a in (real_nf, made_mf))
    return Quality(
        precision=_share_among(made_mf, real_nf, k), recall=_share_among(real_nf, made_mf, k)
    )


def _share_among(x_nf: Array, others_mf: Array, k: int) -> float:
    from sklearn.metrics import pairwise_distances_chunked

    def radius(distance_bm: Array, _: int) -> Array:
        return np.asarray(np.partition(distance_bm, k, axis=1)[:, k])

    radius_m = np.concatenate(
        list(pairwise_distances_chunked(others_mf, reduce_func=radius, working_memory=MEMORY_MIB))
    )

    def among(distance_bm: Array, _: int) -> NDArray[np.bool_]:
        return np.asarray((distance_bm <= radius_m).any(1))

    chunks = pairwise_distances_chunked(
        x_nf, others_mf, reduce_func=among, working_memory=MEMORY_MIB
    )
    return float(np.concatenate(list(chunks)).mean())
