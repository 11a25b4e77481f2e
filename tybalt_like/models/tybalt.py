"""Tybalt: the variational autoencoder of Way & Greene (PSB 2018) with one hidden layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tybalt_like.models.base import Batch, Model, Step, Training
from tybalt_like.models.blocks import glorot_linear, keras_batch_norm, sample_normal
from tybalt_like.models.losses import bernoulli_nll, kl_standard_normal


@dataclass(frozen=True)
class TybaltConfig:
    """Settings of `Tybalt`.

    Parameters
    ----------
    latent_dim
        Number of latent features; 100 in the paper.
    mode
        ``"as_run"`` trains what the published notebooks trained: the KL term was read once, when
        its weight beta was still 0, and never acted. ``"as_described"`` trains what the paper
        describes: beta rises to 1 and the KL acts.
    kappa
        Rise of beta per epoch in ``"as_described"``, from 0 in the first epoch to at most 1
        (the paper's sweep: .01, .05, .1, 1).
    """

    latent_dim: int = 100
    mode: Literal["as_run", "as_described"] = "as_described"
    kappa: float = 1.0


class Tybalt(Model, name="tybalt"):
    """Encoder: two parallel Dense -> batch norm -> ReLU (mean and log-variance);
    decoder: Dense -> sigmoid; loss: n_genes x mean BCE + beta x KL.

    The rectified log-variance keeps every posterior at least as wide as the prior.
    """

    Config = TybaltConfig
    training_defaults = Training(epochs=100, batch_size=50, learning_rate=5e-4)
    unit_interval = True

    def __init__(self, n_vars: int, config: TybaltConfig) -> None:
        super().__init__(n_vars, config)
        k = config.latent_dim
        self.encoder = glorot_linear(n_vars, 2 * k, heads=2)
        self.norm = keras_batch_norm(2 * k)
        self.decoder = glorot_linear(k, n_vars)

    def encode(self, x_ng: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the posterior, (n, k) each."""
        mean_nk, logvar_nk = torch.relu(self.norm(self.encoder(x_ng))).chunk(2, dim=1)
        return mean_nk, logvar_nk

    def beta(self, epoch: int | None) -> float:
        """Weight of the KL term in that epoch; None is the final value."""
        if self.config.mode == "as_run":
            return 0.0
        return 1.0 if epoch is None else min(1.0, self.config.kappa * epoch)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        mean_nk, logvar_nk = self.encode(batch.x_ng)
        logits_ng = self.decoder(sample_normal(mean_nk, logvar_nk))
        reconstruction = bernoulli_nll(logits_ng, batch.x_ng).mean()
        kl = kl_standard_normal(mean_nk, logvar_nk).mean()
        beta = self.beta(batch.epoch)
        loss = reconstruction + beta * kl if beta else reconstruction
        return {
            "loss": loss,
            "reconstruction": reconstruction,
            "kl": kl,
            "beta": torch.tensor(beta),
        }

    def steps(self) -> list[Step]:
        return [Step("vae", list(self.parameters()), self.loss)]

    def embed(self, x_ng: Tensor) -> Tensor:
        return self.encode(x_ng)[0]

    def decode(self, z_nk: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(z_nk))

    def weights(self) -> Tensor:
        return self.decoder.weight.T
