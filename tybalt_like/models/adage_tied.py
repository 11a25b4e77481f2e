"""ADAGE with one weight matrix for both directions, as in greenelab/tybalt's `Adage` class."""

from __future__ import annotations

import torch
from torch import Tensor

from tybalt_like.models.adage import AdageConfig
from tybalt_like.models.base import Batch, Model, Step, Training
from tybalt_like.models.networks.blocks import Dropout, glorot_linear
from tybalt_like.models.networks.losses import squared_error


class TiedAdage(Model, name="adage_tied"):
    """A gene's weight in a feature is also the feature's weight in the gene.

    Encoder: Dense -> ReLU -> dropout; decoder: the encoder's weights transposed, without a bias
    of its own.

    Loss: ``mean over genes of (x - sigmoid((h_dropped - b) W'))^2``, ``h = relu(x W + b)``.

    Source: Tan et al., mSystems 2016, where weights are tied; the `Adage` class of
    greenelab/tybalt, including the encoder's bias that the decoder subtracts.

    Use it when each feature needs one list of gene weights, for both reading and writing.
    """

    citation = (
        "ADAGE: Tan J, Hammond JH, Hogan DA, Greene CS. ADAGE-based integration of publicly "
        "available Pseudomonas aeruginosa gene expression data with denoising autoencoders "
        "illuminates microbe-host interactions. mSystems 1:e00025-15 (2016)."
    )
    Config = AdageConfig
    training_defaults = Training(epochs=100, batch_size=50, learning_rate=5e-4)
    domain = "unit"

    def __init__(self, n_vars: int, config: AdageConfig) -> None:
        super().__init__(n_vars, config)
        self.encoder = glorot_linear(n_vars, config.latent_dim)
        self.dropout = Dropout(config.noise)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        decoded_ng = self.decode(self.dropout(self.embed(batch.x_ng)))
        reconstruction = squared_error(decoded_ng, batch.x_ng).mean() / self.n_vars
        return {"loss": reconstruction, "reconstruction": reconstruction}

    def steps(self) -> list[Step]:
        return [Step("autoencoder", list(self.parameters()), self.loss, replays=True)]

    def embed(self, x_ng: Tensor) -> Tensor:
        return torch.relu(self.encoder(x_ng))

    def decode(self, z_nk: Tensor) -> Tensor:
        return torch.sigmoid((z_nk - self.encoder.bias) @ self.encoder.weight)

    def weights(self) -> Tensor:
        return self.encoder.weight
