"""The reference samples that are most like a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.tl.fit import in_split

if TYPE_CHECKING:
    from anndata import AnnData

COLUMNS = ["sample", "rank", "reference", "distance"]
MEMORY_MIB = 64
"""Of distances in flight at once."""


def closest_reference(adata: AnnData, samples: Sequence[str], *, n: int = 3) -> pd.DataFrame:
    """The reference samples whose profiles are nearest to those of some samples.

    Parameters
    ----------
    adata
        On a logarithmic scale; the reference is the calibration split, as in what `tl.detect`
        expects of samples.
    samples
        Names. A reference sample is not its own neighbour.
    n
        Neighbours of each.

    Returns
    -------
    pandas.DataFrame
        Columns ``sample, rank, reference, distance``, the nearest first. ``distance``: root mean
        square over the genes of the differences, each in standard deviations of that gene among
        the reference samples; genes that do not vary there are left out.

    Raises
    ------
    DataError
        If a sample does not exist.
    """
    from sklearn.metrics import pairwise_distances_chunked

    if not len(samples):
        return pd.DataFrame(columns=COLUMNS)
    rows = adata.obs_names.get_indexer(pd.Index(samples))
    if (rows < 0).any():
        raise DataError(f"there is no sample {samples[int(np.argmin(rows))]!r}")
    x_ng, known_n = np.asarray(adata.X, dtype=np.float64), in_split(adata, keys.CALIBRATION)
    known, names = np.flatnonzero(known_n), adata.obs_names[known_n].astype(str)
    sd_g = x_ng[known_n].std(0)
    varies_g = sd_g > 1e-8 * max(1.0, float(sd_g.max(initial=0)))
    scale_g = sd_g[varies_g] * np.sqrt(max(1, varies_g.sum()))
    n = min(n, len(known) - bool(known_n[rows].any()))

    def nearest(distance_sm: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
        itself_sm = rows[start : start + len(distance_sm), None] == known
        distance_sm[itself_sm] = np.inf
        near_sj = np.argsort(distance_sm, axis=1, kind="stable")[:, :n]
        return near_sj, np.take_along_axis(distance_sm, near_sj, axis=1)

    found = pairwise_distances_chunked(
        x_ng[rows][:, varies_g] / scale_g,
        x_ng[known_n][:, varies_g] / scale_g,
        reduce_func=nearest,
        working_memory=MEMORY_MIB,
    )
    near_sj, distance_sj = map(np.concatenate, zip(*found, strict=True))
    return pd.DataFrame(
        {
            "sample": np.repeat(np.asarray(samples, dtype=object), n),
            "rank": np.tile(np.arange(1, n + 1), len(samples)),
            "reference": names.to_numpy()[near_sj.ravel()],
            "distance": distance_sj.ravel(),
        },
        columns=COLUMNS,
    )
