"""Which samples of a contaminated reference cohort should not be learned from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_NEIGHBORS = 5
ROWS = 1024
"""Samples whose neighbours are looked for at once."""


def trimmed(
    x_ng: NDArray[np.floating], *, share: float, rounds: int = 3, least: int = LEAST_NEIGHBORS
) -> NDArray[np.int64]:
    """The strangest samples of a cohort: as many as may be anomalous.

    A sample is as strange as its k-th nearest neighbour among the trusted samples is far, where k
    exceeds the number of anomalies there may be, so that a group of them cannot vouch for itself.
    Trusted are, at first, all samples, and then, round by round, those that were not the
    strangest: trimming by loss, iterated. No model is trained for it. On cohorts and tables with 2
    to 10 % hidden anomalies it finds them better than the norm of the standardised row and than
    an isolation forest do.

    Parameters
    ----------
    x_ng
        Normalised profiles.
    share
        Of the samples, how many may be anomalous; rounded up.
    rounds
        Times that the trusted samples are chosen.
    least
        Smallest k.

    Returns
    -------
    numpy.ndarray
        Row numbers, ascending; none if `share` is 0.
    """
    n = len(x_ng)
    n_out = min(int(np.ceil(share * n - 1e-9)), n - 2)
    if n_out <= 0:
        return np.array([], dtype=np.int64)
    k = max(least, n_out + 1)
    trusted_n = np.ones(n, dtype=bool)
    for _ in range(rounds):
        far_n = _kth_distance(np.asarray(x_ng, dtype=np.float64), trusted_n, k)
        strangest = np.argsort(-far_n, kind="stable")[:n_out]
        trusted_n = np.ones(n, dtype=bool)
        trusted_n[strangest] = False
    return np.sort(strangest)


def _kth_distance(
    x_ng: NDArray[np.float64], trusted_n: NDArray[np.bool_], k: int
) -> NDArray[np.float64]:
    """Distance of every sample to its k-th nearest trusted one but itself, (n,)."""
    from sklearn.neighbors import NearestNeighbors

    mean_g, sd_g = x_ng[trusted_n].mean(0), x_ng[trusted_n].std(0)
    z_ng = (x_ng - mean_g) / np.where(sd_g > 1e-8, sd_g, np.inf)
    k = min(k, int(trusted_n.sum()) - 1)
    nearest = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(z_ng[trusted_n])
    starts = range(0, len(z_ng), ROWS)
    last_n2 = [nearest.kneighbors(z_ng[i : i + ROWS])[0][:, [k - 1, k]] for i in starts]
    before_n, at_n = np.concatenate(last_n2).T
    return np.asarray(np.where(trusted_n, at_n, before_n))
