"""What every gene does when a latent feature rises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like.interpretation.axes import Array, Axes

Decode = Callable[[Array], NDArray[np.floating]]


def gene_effects(
    decode: Decode,
    z_nk: ArrayLike,
    *,
    directions_jk: ArrayLike | None = None,
    axes: Axes | None = None,
    step: float = 1.0,
) -> Array:
    """Change of every gene when a row rises by one standard deviation of a feature, (j, g).

    The mean over rows of central differences through the whole decoder,
    ``(decode(z + step/2 move) - decode(z - step/2 move)) / step``: of a linear decoder the weights
    times the standard deviation, whatever the rows; of any other what the feature does where the
    data lie, which a product of weight matrices does not tell. With smaller steps it is the mean
    Jacobian; a step of one standard deviation is as far as samples usually are apart. On the scale
    of `decode`; multiply by a factor per gene for other units.

    Parameters
    ----------
    decode
        Profiles (n, g) of as many codes as `z_nk` has, in the same order: it may know more of each
        row, such as its batch or library size.
    z_nk
        Codes of the rows. Without `axes` they are also what standard deviations are taken of.
    directions_jk
        Directions of any length, read and moved along (`Axes.along`).
    axes
        Features instead of directions; if both are None, the axes of the latent space.
    step
        How far a row is moved in all, in standard deviations.
    """
    z = np.asarray(z_nk, dtype=np.float64)
    if axes is None:
        axes = Axes.own(z) if directions_jk is None else Axes.along(directions_jk, z)
    effects = []
    for move_k in axes.moves_jk * step:
        apart_ng = decode(z + move_k / 2) - decode(z - move_k / 2)
        effects.append(np.asarray(apart_ng, dtype=np.float64).mean(0) / step)
    return np.array(effects)
