"""A way through a latent space: whether it stays among real samples, and what changes on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

USUAL = 0.95
"""Share of training samples that are no further from their nearest than where data are left."""


def steps_of(profile_tg: Array, real_ng: Array, *, names: pd.Index) -> pd.DataFrame:
    """How far every step is from the nearest real sample.

    Parameters
    ----------
    profile_tg
        Decoded profiles of the way, in equal steps.
    real_ng
        Decoded profiles of training samples.
    names
        Of these samples.

    Returns
    -------
    pandas.DataFrame
        ``share`` of the way; ``nearest`` sample and its ``distance``, root mean square over
        genes; ``usual``, the distance that 95 % of training samples do not exceed from their own
        nearest; ``beyond`` it or not; ``change`` since the step before.
    """
    from sklearn.neighbors import NearestNeighbors

    root = np.sqrt(profile_tg.shape[1])
    neighbours = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(real_ng)
    distance_t1, place_t1 = neighbours.kneighbors(profile_tg)
    usual = float(np.quantile(neighbours.kneighbors()[0], USUAL))
    step_t = np.linalg.norm(np.diff(profile_tg, axis=0, prepend=profile_tg[:1]), axis=1)
    return pd.DataFrame(
        {
            "share": np.linspace(0, 1, len(profile_tg)),
            "nearest": names[place_t1[:, 0]],
            "distance": distance_t1[:, 0] / root,
            "usual": usual / root,
            "beyond": distance_t1[:, 0] > usual,
            "change": step_t / root,
        }
    )


def gene_course(profile_tg: Array, *, genes: pd.Index) -> pd.DataFrame:
    """What changes on the way, and when.

    Returns
    -------
    pandas.DataFrame
        ``gene``; ``start`` and ``end``; ``change`` between them; ``halfway``, the share of the
        way after which half of it has happened (.5 wherever a model is linear); ``detour``, by
        how much the gene leaves the range between both ends; the largest change first.
    """
    start_g, end_g = profile_tg[0], profile_tg[-1]
    change_g, share_t = end_g - start_g, np.linspace(0, 1, len(profile_tg))
    done_tg = np.divide(
        profile_tg - start_g, change_g, out=np.zeros_like(profile_tg), where=change_g != 0
    )
    last_g = (done_tg >= 0.5).argmax(0)  # the first step at which half has happened
    before_g = np.maximum(last_g - 1, 0)
    gene = np.arange(len(change_g))
    low_g, high_g = done_tg[before_g, gene], done_tg[last_g, gene]
    part_g = np.divide(0.5 - low_g, high_g - low_g, out=np.zeros_like(low_g), where=high_g > low_g)
    halfway_g = share_t[before_g] + part_g * (share_t[last_g] - share_t[before_g])
    above_g = profile_tg.max(0) - np.maximum(start_g, end_g)
    below_g = np.minimum(start_g, end_g) - profile_tg.min(0)
    table = pd.DataFrame(
        {
            "gene": genes,
            "start": start_g,
            "end": end_g,
            "change": change_g,
            "halfway": np.where(change_g != 0, halfway_g, np.nan),
            "detour": np.maximum(above_g, below_g),
        }
    )
    order = np.argsort(-np.abs(change_g), kind="stable")
    return table.iloc[order].reset_index(drop=True)
