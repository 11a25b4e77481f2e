"""How far a profile is from the nearest training profile, against the genes' correlations."""

from __future__ import annotations

from dataclasses import dataclass

from tybalt_like.anomaly.parts.profiles import Profiles
from tybalt_like.anomaly.view import View


@dataclass(frozen=True)
class Whitened(
    View,
    name="whitened",
    says="its distance to the nearest training profile in units of the shrunk covariance of the "
    "genes",
):
    """Distance to the nearest training profile in units of the shrunk covariance, per square
    root of genes."""

    part = Profiles
