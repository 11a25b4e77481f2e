"""How far a profile is from the nearest training profile: no model involved."""

from __future__ import annotations

from dataclasses import dataclass

from tybalt_like.anomaly.parts.profiles import Profiles
from tybalt_like.anomaly.view import View


@dataclass(frozen=True)
class Nearest(View, name="nearest", says="its distance to the nearest training profile"):
    """Distance to the nearest training profile, per square root of genes."""

    part = Profiles
