"""Directions of the latent space that mean something: from one label to another, or thicker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]
OTHERS = "others"
"""Stands for all labels but the one beside it."""
TOLERANCE = 0.01
"""A probability may fall by that much on its way up and still be called monotone."""


def attribute_vector(z_nk: Array, value_n: Array) -> Array:
    """How codes change on average when an attribute rises by one standard deviation, (k,)."""
    standard_n = (value_n - value_n.mean()) / value_n.std()
    return np.asarray((z_nk - z_nk.mean(0)).T @ standard_n / len(value_n))


def monotone(verdict_nt: Array) -> Mask:
    """Whether a probability rises along its row, without ever falling by more than 0.01 below
    what it has reached, (n,)."""
    fallen_nt = np.maximum.accumulate(verdict_nt, axis=1) - verdict_nt
    rises_n = verdict_nt[:, -1] > verdict_nt[:, 0]
    return np.asarray(rises_n & (fallen_nt.max(1) <= TOLERANCE))


def groups(label_n: NDArray[np.object_], pair: tuple[str, str]) -> tuple[Mask, Mask]:
    """Masks of the images of two labels, one of which may be `OTHERS`."""
    first_n, second_n = (label_n == label for label in pair)
    if pair[0] == OTHERS:
        first_n = ~second_n
    elif pair[1] == OTHERS:
        second_n = ~first_n
    return first_n, second_n


def thickness(x_nhw: Array) -> Array:
    """Width of the strokes in pixels, (n,): twice the ink per length of its outline.

    The length of the outline is the total variation, which blur does not change.
    """
    down_nhw, across_nhw = (np.diff(x_nhw, axis=axis, append=0) for axis in (1, 2))
    outline_n = np.hypot(down_nhw, across_nhw).sum((1, 2))
    return np.asarray(2 * x_nhw.sum((1, 2)) / np.maximum(outline_n, 1e-6))


def slant(x_nhw: Array) -> Array:
    """How far strokes lean to the right, in columns per row upwards, (n,), from image moments:
    minus the covariance of rows and columns of the ink over the variance of its rows."""
    height, width = x_nhw.shape[1:]
    ink_n = np.maximum(x_nhw.sum((1, 2)), 1e-6)
    row_h1, column_w = np.arange(height)[:, None], np.arange(width)
    centred_h1 = row_h1 - ((x_nhw * row_h1).sum((1, 2)) / ink_n)[:, None, None]
    centred_w = column_w - ((x_nhw * column_w).sum((1, 2)) / ink_n)[:, None, None]
    shear_n = (x_nhw * centred_h1 * centred_w).sum((1, 2))
    return np.asarray(-shear_n / np.maximum((x_nhw * centred_h1**2).sum((1, 2)), 1e-6))
