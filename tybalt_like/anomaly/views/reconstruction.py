"""What the model cannot express, all genes alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tybalt_like.anomaly.outputs import Array
from tybalt_like.anomaly.view import Samples, View


@dataclass(frozen=True)
class Reconstruction(View, name="reconstruction", says="its mean squared reconstruction error"):
    """Mean squared error of the reconstruction."""

    def score(self, samples: Samples) -> Array:
        return np.asarray(np.square(samples.outputs.residual_ng).mean(1))
