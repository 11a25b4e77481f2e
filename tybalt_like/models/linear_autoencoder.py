"""The linear autoencoder: principal components found by gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import PositiveInt
from torch import Tensor

from tybalt_like.models.base import Batch, Model, Step, Training
from tybalt_like.models.networks.blocks import gene_encoder, glorot_linear
from tybalt_like.models.networks.losses import squared_error


@dataclass(frozen=True)
class LinearAutoencoderConfig:
    """Settings of `LinearAutoencoder`.

    Parameters
    ----------
    latent_dim
        Number of latent features.
    """

    latent_dim: PositiveInt = 100


class LinearAutoencoder(Model, name="linear_autoencoder"):
    """One linear layer each way; spans the space of the first principal components.

    Loss: ``|x - D E (x - mean) - b|^2``.

    Source: Baldi & Hornik, Neural Networks 1989.

    Use it to see that a training loop works: its reconstruction error must come close to PCA's.
    The features themselves are a mixture of the components. Defaults: held-out error within 1 %
    of PCA's on 769 breast tumours, with 20 and with 100 features.
    """

    citation = (
        "Linear autoencoder: Baldi P, Hornik K. Neural networks and principal component "
        "analysis: learning from examples without local minima. Neural Networks 2:53-58 "
        "(1989)."
    )
    linear = True
    Config = LinearAutoencoderConfig
    training_defaults = Training(epochs=300, batch_size=50, learning_rate=5e-4)
    mean_g: Tensor

    def __init__(self, n_vars: int, config: LinearAutoencoderConfig) -> None:
        super().__init__(n_vars, config)
        self.register_buffer("mean_g", torch.zeros(n_vars))
        self.encoder = gene_encoder([n_vars, config.latent_dim])
        self.decoder = glorot_linear(config.latent_dim, n_vars)

    def solve(self, train: Batch) -> None:
        """Start at the mean profile."""
        self.mean_g.copy_(train.x_ng.mean(0))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        reconstruction = squared_error(self.decode(self.embed(batch.x_ng)), batch.x_ng).mean()
        return {"loss": reconstruction, "reconstruction": reconstruction}

    def steps(self) -> list[Step]:
        return [Step("autoencoder", list(self.parameters()), self.loss, replays=True)]

    def embed(self, x_ng: Tensor) -> Tensor:
        z_nk: Tensor = self.encoder(x_ng - self.mean_g)
        return z_nk

    def decode(self, z_nk: Tensor) -> Tensor:
        centred_ng: Tensor = self.decoder(z_nk)
        return centred_ng + self.mean_g

    def weights(self) -> Tensor:
        return self.decoder.weight.T
