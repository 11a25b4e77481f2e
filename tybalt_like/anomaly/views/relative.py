"""How far a profile is from training profiles, compared with how far these are apart there."""

from __future__ import annotations

from dataclasses import dataclass

from tybalt_like.anomaly.parts.profiles import Profiles
from tybalt_like.anomaly.view import View


@dataclass(frozen=True)
class Relative(
    View,
    name="relative",
    says="its distance to the nearest training profiles in units of what is usual among them",
):
    """Mean distance to the nearest profiles in units of the distances that are usual among
    profiles there (as in the local outlier factor of Breunig et al. 2000)."""

    part = Profiles
