"""Whether synthetic samples give away who was in the training set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.anomaly.metrics import auroc_interval
from tybalt_like.core.errors import DataError
from tybalt_like.interpretation.fidelity import COLUMNS, LEAST, Z

Array = NDArray[np.float64]

CONTROL = "noisy copies of training samples"
"""The source that has to be caught."""
COPIED = 0.5
"""Standard deviations of noise on them."""
NEAR = 0.05
"""Share of held-out samples that are nearer to a training sample than "near"."""
COMPONENTS = 20


def privacy(
    made: Mapping[str, Array], *, train_ng: Array, test_ng: Array, seed: int = 0
) -> pd.DataFrame:
    """Distances to training samples, and an attack on their membership.

    The attacker holds a real sample and the synthetic ones, standardised by their own means and
    standard deviations, and takes it for a training sample the nearer its nearest synthetic one
    is: over genes, and in the first 20 principal components of the synthetic samples. Held-out
    samples of the same population are those who were not in training. Copies with half a standard
    deviation of noise are attacked too: where they are not caught, .5 means nothing.

    Parameters
    ----------
    made
        Source -> synthetic profiles, (m, g).
    train_ng, test_ng
        Real profiles that the sources were learned from, and others of the same population.

    Returns
    -------
    pandas.DataFrame
        ``source, measure, value, low, high, ideal``. ``nearest ratio``: the median distance from
        a synthetic sample to its nearest training sample, over that from a held-out one; ``near
        share``: of synthetic samples nearer to a training sample than 95 % of held-out ones are,
        with a 95 % interval (Wilson) for the choice of synthetic samples; ``membership auroc
        genes`` and ``membership auroc components`` with 95 % intervals. .5: nothing is given away;
        far below gives away as much as far above: members of a small cohort lie further out
        along axes that were fitted to them.

    Raises
    ------
    DataError
        If there are fewer than 20 samples of a kind.
    """
    kinds = dict(made) | {"training samples": train_ng, "held-out samples": test_ng}
    for name, x_ng in kinds.items():
        if len(x_ng) < LEAST:
            raise DataError(f"{name}: {len(x_ng)} are too few to judge by; {LEAST} are needed")
    rng = np.random.default_rng(seed)
    scale_g = np.where(train_ng.std(0) > 0, train_ng.std(0), 1)
    n_copies = min(len(x_ng) for x_ng in (*made.values(), train_ng))
    copied_ng = train_ng[rng.permutation(len(train_ng))[:n_copies]]
    noise_ng = COPIED * scale_g * rng.standard_normal(copied_ng.shape)
    outside_n = _nearest(test_ng / scale_g, train_ng / scale_g)
    near = float(np.quantile(outside_n, NEAR))
    rows: list[list[Any]] = []
    for name, x_mg in {**made, CONTROL: copied_ng + noise_ng}.items():
        distance_m = _nearest(x_mg / scale_g, train_ng / scale_g)
        ratio = float(np.median(distance_m) / np.median(outside_n))
        rows.append([name, "nearest ratio", ratio, np.nan, np.nan, 1.0])
        share = float((distance_m < near).mean())
        rows.append([name, "near share", share, *_wilson(share, len(x_mg)), NEAR])
        for where in ("genes", "components"):
            area = membership(x_mg, train_ng=train_ng, test_ng=test_ng, where=where)
            rows.append([name, f"membership auroc {where}", *area, 0.5])
    return pd.DataFrame(rows, columns=COLUMNS)


def membership(
    made_mg: Array, *, train_ng: Array, test_ng: Array, where: str
) -> tuple[float, float, float]:
    """AUROC of telling training samples from others by their nearest synthetic sample, with its
    95 % interval."""
    from sklearn.decomposition import PCA

    mean_g, sd_g = made_mg.mean(0), made_mg.std(0)
    sd_g = np.where(sd_g > 0, sd_g, 1)
    made_mg, real_ng = (
        (x_ng - mean_g) / sd_g for x_ng in (made_mg, np.concatenate([train_ng, test_ng]))
    )
    if where == "components":
        pca = PCA(min(COMPONENTS, *made_mg.shape), svd_solver="full").fit(made_mg)
        made_mg, real_ng = pca.transform(made_mg), pca.transform(real_ng)
    member_n = np.repeat([True, False], [len(train_ng), len(test_ng)])
    return auroc_interval(-_nearest(real_ng, made_mg), member_n)


def _nearest(from_ng: Array, to_mg: Array) -> Array:
    """Distance of every row to the nearest of others."""
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(to_mg)
    return np.asarray(neighbours.kneighbors(from_ng)[0][:, 0])


def _wilson(share: float, n: int) -> tuple[float, float]:
    centre, scale = share + Z**2 / (2 * n), 1 + Z**2 / n
    width = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return float((centre - width) / scale), float((centre + width) / scale)
