"""What AnoGAN and f-AnoGAN share: a GAN of either kind, and an encoder into its codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import NonNegativeFloat
from torch import Tensor

from tybalt_like.models.base import Batch, Model, Step
from tybalt_like.models.dcgan import DCGAN
from tybalt_like.models.networks import gan_networks as networks
from tybalt_like.models.networks.adversarial import Adversarial
from tybalt_like.models.wgan_gp import WGANGP, WassersteinConfig

GANS: dict[str, type[WGANGP] | type[DCGAN]] = {kind.name: kind for kind in (WGANGP, DCGAN)}


@dataclass(frozen=True)
class GANDetectorConfig(WassersteinConfig):
    """What detectors on a GAN share:

    Parameters
    ----------
    gan
        The game that generator and critic play. ``"dcgan"`` needs values in [0, 1] and leaves
        `penalty` and `critic_steps` aside.
    kappa
        Weight of the critic's features in the loss of the encoder; 1 in f-AnoGAN's code.
    """

    gan: Literal["wgan_gp", "dcgan"] = "wgan_gp"
    kappa: NonNegativeFloat = 1.0


class GANDetector(Model):
    """A GAN that knows the normal samples, and an encoder that finds their codes.

    The encoder learns in every iteration, from the averaged generator and critic, whose weights
    it leaves alone: as they settle, so does it.
    """

    gan: Adversarial

    def __init__(self, n_vars: int, config: GANDetectorConfig, *, encoded: bool) -> None:
        super().__init__(n_vars, config)
        self.gan = GANS[config.gan](n_vars, config)
        self.domain = self.gan.domain
        k, shape = config.latent_dim, config.image_shape
        self.encoder = None
        if encoded and shape is not None:
            self.encoder = networks.image_encoder(config.channels, shape, k)
        elif encoded:
            self.encoder = networks.encoder(n_vars, config.hidden_dims, k)

    def solve(self, train: Batch) -> None:
        self.gan.solve(train)

    def encode(self, x_ng: Tensor) -> Tensor:
        """The encoder's codes, (n, k)."""
        assert self.encoder is not None
        z_nk: Tensor = self.encoder(self.gan.frame(x_ng))
        return z_nk

    def encoder_loss(self, batch: Batch) -> dict[str, Tensor]:
        residual_ng, features_nf = self.gan.residual_parts(batch.x_ng, self.encode(batch.x_ng))
        residual, features = residual_ng.square().mean(), features_nf.square().mean()
        loss = residual + self.config.kappa * features
        return {"loss": loss, "residual": residual, "features": features}

    def steps(self) -> list[Step]:
        if self.encoder is None:
            return self.gan.steps()
        return [
            *self.gan.steps(),
            Step("encoder", list(self.encoder.parameters()), self.encoder_loss),
        ]

    def decode(self, z_nk: Tensor) -> Tensor:
        return self.gan.decode(z_nk)

    def weights(self) -> Tensor:
        return self.gan.weights()
