"""ADAGE: the denoising autoencoder of Tan et al., as Tybalt's notebook trained it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from pydantic import PositiveInt
from torch import Tensor, nn

from tybalt_like.models.base import Batch, Model, Step, Training
from tybalt_like.models.networks.blocks import Dropout, glorot_linear
from tybalt_like.models.networks.losses import squared_error


@dataclass(frozen=True)
class AdageConfig:
    """Settings of `Adage` and `TiedAdage`.

    Parameters
    ----------
    latent_dim
        Number of latent features; 100 beside Tybalt.
    noise
        Share of values set to zero in training: .05 in Tybalt's sweep.
    """

    latent_dim: PositiveInt = 100
    noise: Annotated[float, Ge(0), Lt(1)] = 0.05


def adadelta(params: Sequence[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """Adadelta with Keras' constants."""
    return torch.optim.Adadelta(params, lr=learning_rate, rho=0.95, eps=1e-7)


class Adage(Model, name="adage"):
    """Repairs profiles from which some genes were deleted, and so learns which go together.

    Encoder: dropout on the genes -> Dense -> ReLU; decoder: Dense -> sigmoid, not tied.

    Loss: ``mean over genes of (x - sigmoid(W' relu(W x_dropped + b) + b'))^2``.

    Source: Tan et al., mSystems 2016; this form and its training from Tybalt's ADAGE notebook.
    The latent coordinates are the values before the ReLU, as the notebook exported them.

    Use it to compare with published ADAGE features. Its 100 epochs are meant for 9,400 samples,
    which make 18,800 steps; Adadelta needs as many in smaller cohorts, in more epochs.
    """

    citation = (
        "ADAGE: Tan J, Hammond JH, Hogan DA, Greene CS. ADAGE-based integration of publicly "
        "available Pseudomonas aeruginosa gene expression data with denoising autoencoders "
        "illuminates microbe-host interactions. mSystems 1:e00025-15 (2016)."
    )
    Config = AdageConfig
    training_defaults = Training(epochs=100, batch_size=50, learning_rate=1.1)
    domain = "unit"

    def __init__(self, n_vars: int, config: AdageConfig) -> None:
        super().__init__(n_vars, config)
        self.encoder = glorot_linear(n_vars, config.latent_dim)
        self.decoder = glorot_linear(config.latent_dim, n_vars)
        self.dropout = Dropout(config.noise)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        decoded_ng = self.decode(self.embed(self.dropout(batch.x_ng)))
        reconstruction = squared_error(decoded_ng, batch.x_ng).mean() / self.n_vars
        return {"loss": reconstruction, "reconstruction": reconstruction}

    def steps(self) -> list[Step]:
        return [Step("autoencoder", list(self.parameters()), self.loss, optimizer=adadelta)]

    def embed(self, x_ng: Tensor) -> Tensor:
        z_nk: Tensor = self.encoder(x_ng)
        return z_nk

    def decode(self, z_nk: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(z_nk.relu()))

    def weights(self) -> Tensor:
        return self.decoder.weight.T
