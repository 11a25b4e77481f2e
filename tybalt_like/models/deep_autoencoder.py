"""The deep autoencoder: nonlinear layers around a narrow one."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import PositiveInt
from torch import Tensor

from tybalt_like.models.base import Batch, Model, Step, Training
from tybalt_like.models.blocks import Standardise, gene_encoder, mlp, product_of_weights
from tybalt_like.models.losses import squared_error


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
    """

    latent_dim: PositiveInt = 100
    hidden_dims: tuple[PositiveInt, ...] = (256,)


class DeepAutoencoder(Model, name="deep_autoencoder"):
    """Hidden layers with ReLU each way; a curved surface through the data where PCA has a plane.

    Loss: ``|x - decode(encode(x))|^2``.

    Source: Hinton & Salakhutdinov, Science 2006.

    Use it when there are thousands of samples and only reconstruction matters; on some hundred
    it overfits, and nothing orders its latent space.
    """

    Config = DeepAutoencoderConfig
    training_defaults = Training(epochs=300, batch_size=50, learning_rate=5e-4)

    def __init__(self, n_vars: int, config: DeepAutoencoderConfig) -> None:
        super().__init__(n_vars, config)
        k, hidden = config.latent_dim, config.hidden_dims
        self.standardise = Standardise(n_vars)
        self.encoder = gene_encoder([n_vars, *hidden, k])
        self.decoder = mlp([k, *reversed(hidden), n_vars])

    def solve(self, train: Batch) -> None:
        """Start at the mean profile."""
        self.standardise.fit(train.x_ng)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        reconstruction = squared_error(self.decode(self.embed(batch.x_ng)), batch.x_ng).mean()
        return {"loss": reconstruction, "reconstruction": reconstruction}

    def steps(self) -> list[Step]:
        return [Step("autoencoder", list(self.parameters()), self.loss)]

    def embed(self, x_ng: Tensor) -> Tensor:
        z_nk: Tensor = self.encoder(self.standardise(x_ng))
        return z_nk

    def decode(self, z_nk: Tensor) -> Tensor:
        centred_ng: Tensor = self.decoder(z_nk)
        return centred_ng + self.standardise.mean_g

    def weights(self) -> Tensor:
        """Product of the decoder's layers, which ignores the ReLU between them."""
        return product_of_weights(self.decoder)
