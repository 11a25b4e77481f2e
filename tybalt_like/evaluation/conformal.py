"""Intervals around predicted profiles that hold the measured ones as often as they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.9
MIN_GROUPS = math.ceil(LEVEL / (1 - LEVEL) - 1e-9)
"""With fewer calibration groups an interval of that level would be infinite."""


def half_widths(error_ng: Floats, group_n: NDArray[Any], *, level: float = LEVEL) -> Floats:
    """Half the width of each gene's interval, (g,), from absolute errors of calibration samples.

    Samples of a group share what is special about it, so each group counts as one, and the group
    to be predicted counts too, as an infinite error: a sample of a new group then lies within
    with a probability of at least `level`. Source: Lee, Barber & Willett (2023),
    "Distribution-free inference with hierarchical data", arXiv:2306.06342, HCP.

    Parameters
    ----------
    error_ng
        Of samples whose groups the predictor has not seen.
    """
    names, code_n, size_k = np.unique(group_n, return_inverse=True, return_counts=True)
    weight_n = 1 / (size_k[code_n] * (len(names) + 1))
    order_ng = np.argsort(error_ng, axis=0)
    reached_ng = np.cumsum(weight_n[order_ng], axis=0) >= level - 1e-9
    sorted_ng = np.take_along_axis(error_ng, order_ng, axis=0)
    first_g = reached_ng.argmax(0)
    found_g = sorted_ng[first_g, np.arange(error_ng.shape[1])]
    return np.where(reached_ng.any(0), found_g, np.inf)
