"""Whether samples of one class lie together without anybody pointing them out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like.evaluation.estimate import Estimate

STARTS = 5
"""Random starts of k-means, of which the best counts."""


def clusters(z_nk: ArrayLike, code_n: NDArray[np.intp], *, seed: int = 0) -> dict[str, Estimate]:
    """Silhouette of the classes, and agreement of k-means clusters with them.

    Parameters
    ----------
    z_nk
        An encoding of held-out samples; distances are Euclidean.
    code_n
        Classes, numbered from 0; k-means looks for as many clusters as there are classes.

    Returns
    -------
    dict
        ``silhouette``: mean over the samples, from -1 to 1; ``ari``: adjusted Rand index, 0 for
        clusters at random; ``nmi``: normalised mutual information, from 0 to 1.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import (
        adjusted_rand_score,
        normalized_mutual_info_score,
        silhouette_samples,
    )

    z = np.asarray(z_nk, dtype=np.float64)
    n_classes = int(code_n.max()) + 1
    if len(np.unique(z, axis=0)) <= n_classes:
        return {}
    found_n = KMeans(n_classes, n_init=STARTS, random_state=seed).fit_predict(z)
    return {
        "silhouette": Estimate.mean(silhouette_samples(z, code_n)),
        "ari": Estimate(float(adjusted_rand_score(code_n, found_n))),
        "nmi": Estimate(float(normalized_mutual_info_score(code_n, found_n))),
    }
