"""How far the density at a sample's place is from the usual one, either way."""

from __future__ import annotations

from dataclasses import dataclass

from tybalt_like.anomaly.parts.mixture import Mixture
from tybalt_like.anomaly.view import View


@dataclass(frozen=True)
class Typicality(
    View,
    name="typicality",
    says="how far the density at its place in the latent space is from a usual one, either way",
):
    """Distance of the log density from a training sample's (Nalisnick et al. 2019)."""

    part = Mixture
