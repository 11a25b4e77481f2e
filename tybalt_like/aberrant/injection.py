"""Known outliers put into real counts, to measure how well they are found."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tybalt_like.aberrant.statistics import Floats

SPREAD = 1.6
"""Geometric standard deviation of sizes drawn around a z, as in OUTRIDER."""
CEILING = 100
"""Injected counts stay below so many times the largest count of their gene."""


class Injected(NamedTuple):
    """Counts with outliers, and where these are."""

    x_ng: Floats
    is_outlier_ng: NDArray[np.bool_]


def inject(
    x_ng: Floats,
    size_n: Floats,
    *,
    frequency: float,
    z: float,
    rng: np.random.Generator,
    varied: bool = False,
    sd_g: Floats | None = None,
) -> Injected:
    """Shift counts by z standard deviations of their gene, up or down with the same probability.

    The standard deviation is that of ``log2(count / size factor + 1)``, confounders included, as
    in OUTRIDER (Brechtmann et al., AJHG 2018). Shifts that change no count are not outliers.

    Parameters
    ----------
    size_n
        Size factors.
    frequency
        Share of the counts.
    z
        Size of the shift.
    varied
        Draw the sizes from a log-normal distribution with the median z.
    sd_g
        Standard deviations to take instead, say those before a confounder was added.
    """
    size_n1 = size_n[:, None]
    log_ng = np.log2(x_ng / size_n1 + 1)
    if sd_g is None:
        sd_g = log_ng.std(axis=0, ddof=1)
    chosen_ng = rng.random(x_ng.shape) < frequency
    sign_ng = rng.choice([-1.0, 1.0], x_ng.shape)
    z_ng = z * SPREAD ** rng.standard_normal(x_ng.shape) if varied else z
    shifted_ng = np.exp2(log_ng + sign_ng * z_ng * sd_g) - 1
    new_ng = np.round(size_n1 * np.maximum(shifted_ng, 0))
    chosen_ng &= (new_ng != x_ng) & (new_ng <= CEILING * x_ng.max(axis=0))
    return Injected(np.where(chosen_ng, new_ng, x_ng), chosen_ng)
