"""The deep autoencoder: nonlinear layers around a narrow one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from pydantic import PositiveInt
from torch import Tensor
from torch.special import ndtr

from tybalt_like.core.draws import noise_like
from tybalt_like.models.base import Batch, Model, Step, Training
from tybalt_like.models.networks.blocks import Standardise, product_of_weights
from tybalt_like.models.networks.image_networks import encoder_decoder, unit_response
from tybalt_like.models.networks.losses import squared_error


@dataclass(frozen=True)
class DeepAutoencoderConfig:
    """Settings of `DeepAutoencoder`.

    Parameters
    ----------
    latent_dim
        Number of latent features.
    hidden_dims
        Features of the hidden layers from the genes inwards; the decoder mirrors them. One layer
        by default, of a size that suits some hundred to some thousand samples.
    noise
        Share of values set to zero in what training encodes: the denoising autoencoder.
    image_shape, channels
        As in `BetaVAEConfig`: convolutional networks for images.
    """

    latent_dim: PositiveInt = 100
    hidden_dims: tuple[PositiveInt, ...] = (256,)
    noise: Annotated[float, Ge(0), Lt(1)] = 0.0
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
    channels: PositiveInt = 32


class DeepAutoencoder(Model, name="deep_autoencoder"):
    """Hidden layers with ReLU each way; a curved surface through the data where PCA has a plane.

    Loss: ``|x - decode(encode(x))|^2``; with `noise`, what is encoded has lost some of its values.

    Source: Hinton & Salakhutdinov, Science 2006; the noise, Vincent et al., ICML 2008.

    Use it when there are thousands of samples and only reconstruction matters; on some hundred
    it overfits, and nothing orders its latent space.
    """

    citation = (
        "Autoencoder: Hinton GE, Salakhutdinov RR. Reducing the dimensionality of data with "
        "neural networks. Science 313:504-507 (2006)."
    )
    Config = DeepAutoencoderConfig
    training_defaults = Training(epochs=300, batch_size=50, learning_rate=5e-4)

    def __init__(self, n_vars: int, config: DeepAutoencoderConfig) -> None:
        super().__init__(n_vars, config)
        self.standardise = Standardise(n_vars)
        self.encoder, self.decoder = encoder_decoder(
            n_vars,
            config.latent_dim,
            hidden=config.hidden_dims,
            shape=config.image_shape,
            channels=config.channels,
        )

    def solve(self, train: Batch) -> None:
        """Start at the mean profile."""
        self.standardise.fit(train.x_ng, alike=self.config.image_shape is not None)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        seen_ng = batch.x_ng
        if self.training and self.config.noise:
            seen_ng = seen_ng * (ndtr(noise_like(seen_ng)) >= self.config.noise)
        reconstruction = squared_error(self.decode(self.embed(seen_ng)), batch.x_ng).mean()
        return {"loss": reconstruction, "reconstruction": reconstruction}

    def steps(self) -> list[Step]:
        return [Step("autoencoder", list(self.parameters()), self.loss, replays=True)]

    def embed(self, x_ng: Tensor) -> Tensor:
        z_nk: Tensor = self.encoder(self.standardise(x_ng))
        return z_nk

    def decode(self, z_nk: Tensor) -> Tensor:
        centred_ng: Tensor = self.decoder(z_nk)
        return centred_ng + self.standardise.mean_g

    def weights(self) -> Tensor:
        """Product of the decoder's layers, which ignores the ReLU between them; of images,
        `unit_response`."""
        if self.config.image_shape is not None:
            one_kk = torch.eye(self.config.latent_dim).to(self.standardise.mean_g)
            return unit_response(self.decode, one_kk)
        return product_of_weights(self.decoder)
