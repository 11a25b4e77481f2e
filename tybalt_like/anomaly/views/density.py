"""How dense the training samples are at a sample's place in the latent space."""

from __future__ import annotations

from dataclasses import dataclass

from tybalt_like.anomaly.parts.mixture import Mixture
from tybalt_like.anomaly.view import View


@dataclass(frozen=True)
class Density(
    View,
    name="density",
    says="the density of the training samples at its place in the latent space",
):
    """Minus the log density of a mixture of Gaussians in the latent space."""

    part = Mixture
