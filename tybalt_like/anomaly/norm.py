"""The simplest detector, without any learning: how far a profile is from the average one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.anomaly.outputs import Array
from tybalt_like.core.files import whole_file
from tybalt_like.core.stored import check_axes, read_arrays, sound


@dataclass(frozen=True)
class Norm:
    """What the norm of a row is taken in units of.

    Attributes
    ----------
    mean_g, weight_g
        Mean and 1 / standard deviation of the training samples; 0 for genes that are constant.
    """

    mean_g: Array
    weight_g: Array

    @classmethod
    def fit(cls, train_mg: NDArray[np.floating]) -> Self:
        """Learn from the training samples."""
        sd_g = train_mg.std(0, dtype=np.float64)
        varies_g = sd_g > 1e-8 * max(1.0, float(np.abs(train_mg).max(initial=0)))
        weight_g = np.divide(1, sd_g, out=np.zeros_like(sd_g), where=varies_g)
        return cls(train_mg.mean(0, dtype=np.float64), weight_g)

    def score(self, x_ng: NDArray[np.floating]) -> Array:
        """Root mean square of the row, each gene standardised on the training samples, (n,).

        Genes that are constant in training are left out.
        """
        varies_g = self.weight_g > 0
        if not varies_g.any():
            return np.zeros(len(x_ng))
        z_ng = (x_ng[:, varies_g] - self.mean_g[varies_g]) * self.weight_g[varies_g]
        return np.asarray(np.sqrt(np.square(z_ng).mean(1)))

    def save(self, path: Path) -> None:
        """Write one safetensors file."""
        from safetensors.numpy import save

        with whole_file(path) as partial:
            partial.write_bytes(save(vars(self)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        arrays, _ = read_arrays(path)
        check_axes(arrays, path)
        with sound(path):
            return cls(**arrays)


def standardised_norm(x_ng: NDArray[np.floating], train_mg: NDArray[np.floating]) -> Array:
    """`Norm.score` by the training samples."""
    return Norm.fit(train_mg).score(x_ng)
