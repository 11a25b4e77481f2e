"""Features of a latent space: its own axes, rotated ones, or any direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
STILL = 1e-9
"""Codes that vary less than that share of the widest axis do not vary."""


@dataclass(frozen=True)
class Axes:
    """How each of some features is read off codes, and how a code moves when it rises.

    A feature may lie anywhere in the latent space. Its scores have mean 0 and standard deviation 1
    over the samples that it was made from; a code moved by a row of `moves_jk` has a score higher
    by 1. The two differ where features are not at right angles: what tells two groups apart is
    not what differs between them (Haufe et al., NeuroImage 87:96, 2014).

    Attributes
    ----------
    names
        Of the features.
    mean_k
        Code at which all scores are 0.
    reading_kj
        Scores are ``(z_nk - mean_k) @ reading_kj``; 0 for features that do not vary.
    moves_jk
        What a rise by one standard deviation adds to a code; 0 for features that do not vary.
    """

    names: tuple[str, ...]
    mean_k: Array
    reading_kj: Array
    moves_jk: Array

    @classmethod
    def along(
        cls, directions_jk: ArrayLike, z_nk: ArrayLike, *, names: Sequence[str] | None = None
    ) -> Axes:
        """Features that are read, and that codes move, along directions, whatever their length.

        Parameters
        ----------
        z_nk
            Codes of the samples whose standard deviation along a direction is its unit.
        names
            ``"1"``, ``"2"`` and so on if None.
        """
        directions, z = (np.asarray(a, dtype=np.float64) for a in (directions_jk, z_nk))
        length_j1 = np.linalg.norm(directions, axis=1, keepdims=True)
        unit_jk = np.divide(
            directions, length_j1, out=np.zeros_like(directions), where=length_j1 > 0
        )
        inverse_j, sd_j = _inverse_and_sd(z, unit_jk.T)
        return cls(
            tuple(names or map(str, range(1, len(unit_jk) + 1))),
            z.mean(0),
            unit_jk.T * inverse_j,
            unit_jk * sd_j[:, None],
        )

    @classmethod
    def read_by(
        cls, readings_kj: ArrayLike, z_nk: ArrayLike, *, names: Sequence[str] | None = None
    ) -> Axes:
        """Features that are read off codes by weights, whatever their size.

        Of all moves that raise one score and leave the others, a code makes the one that is
        likeliest where codes vary as those of `z_nk` do: of a single feature, what codes gain on
        average when its score rises (Haufe et al. 2014).
        """
        readings, z = (np.asarray(a, dtype=np.float64) for a in (readings_kj, z_nk))
        reading_kj = readings * _inverse_and_sd(z, readings)[0]
        centred_nk = z - z.mean(0)
        score_nj = centred_nk @ reading_kj
        alike_jj = np.linalg.pinv(score_nj.T @ score_nj, hermitian=True)
        return cls(
            tuple(names or map(str, range(1, readings.shape[1] + 1))),
            z.mean(0),
            reading_kj,
            alike_jj @ score_nj.T @ centred_nk,
        )

    @classmethod
    def own(cls, z_nk: ArrayLike, *, names: Sequence[str] | None = None) -> Axes:
        """The axes of the latent space themselves."""
        return cls.along(np.eye(np.shape(z_nk)[1]), z_nk, names=names)

    def scores(self, z_nk: ArrayLike) -> Array:
        """How much of each feature samples have, (n, j)."""
        return np.asarray((np.asarray(z_nk, dtype=np.float64) - self.mean_k) @ self.reading_kj)


def _inverse_and_sd(z_nk: Array, readings_kj: Array) -> tuple[Array, Array]:
    """Standard deviations of what is read, and 1 over them; 0 for both where nothing varies."""
    centred_nk = z_nk - z_nk.mean(0)
    sd_j = (centred_nk @ readings_kj).std(0)
    widest_j = np.linalg.norm(centred_nk, axis=1).max(initial=0) * np.linalg.norm(
        readings_kj, axis=0
    )
    varies_j = sd_j > STILL * np.maximum(widest_j, 1e-300)
    inverse_j = np.divide(1.0, sd_j, out=np.zeros_like(sd_j), where=varies_j)
    return inverse_j, np.where(varies_j, sd_j, 0.0)
