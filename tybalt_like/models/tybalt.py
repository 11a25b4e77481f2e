"""Tybalt: the variational autoencoder of Way & Greene (PSB 2018), one or two hidden layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from tybalt_like.models.base import Batch, Training
from tybalt_like.models.networks.blocks import glorot_linear, keras_batch_norm, product_of_weights
from tybalt_like.models.networks.losses import bernoulli_nll
from tybalt_like.models.networks.schedules import Warmup, warmup
from tybalt_like.models.networks.variational import Variational


@dataclass(frozen=True)
class TybaltConfig:
    """Settings of `Tybalt`.

    Parameters
    ----------
    latent_dim
        Number of latent features; 100 in the paper.
    hidden_dim
        Features of the further layers beside the latent one, none by default. The paper's
        two-hidden models have 100 (trained with learning rate 1e-3, batch 100, 100 epochs,
        ``kappa=1``) and 300 (5e-4, 50, 100, ``kappa=0.01``).
    mode
        ``"as_run"`` trains what the published notebooks trained: the KL term was read once, when
        its weight beta was still 0, and never acted. ``"as_described"`` trains what the paper
        describes: beta rises to 1 and the KL acts.
    warmup
        How beta rises in ``"as_described"``; see `schedules.warmup`.
    kappa
        Rise of beta per epoch, from 0 in the first (the paper's sweep: .01, .05, .1, 1).
    """

    latent_dim: PositiveInt = 100
    hidden_dim: PositiveInt | None = None
    mode: Literal["as_run", "as_described"] = "as_described"
    warmup: Warmup = "linear"
    kappa: PositiveFloat = 1.0


class Tybalt(Variational, name="tybalt", title="Tybalt"):
    """Every latent feature is a rectified, weighted sum of genes, and every gene of features.

    Encoder: [Dense -> batch norm -> ReLU,] two parallel Dense -> batch norm -> ReLU (mean and
    log-variance); decoder: [Dense -> ReLU,] Dense -> sigmoid; in brackets with `hidden_dim`.
    The rectified log-variance keeps every posterior at least as wide as the prior.

    Loss: ``sum over genes of BCE(x, decoded)  +  beta x KL(q(z|x) || N(0, 1))``.

    Source: Way & Greene, PSB 2018 (greenelab/tybalt); training defaults are the notebook's.

    Use it to repeat or extend Tybalt's analyses: gene weights, features that stand for biology,
    arithmetic with group means.
    """

    citation = (
        "Tybalt: Way GP, Greene CS. Extracting a biologically relevant latent space from "
        "cancer transcriptomes with variational autoencoders. Pacific Symposium on "
        "Biocomputing 23:80-91 (2018)."
    )
    Config = TybaltConfig
    training_defaults = Training(epochs=100, batch_size=50, learning_rate=5e-4)
    domain = "unit"
    likelihood = "bernoulli"

    def __init__(self, n_vars: int, config: TybaltConfig, *, n_covariates: int = 0) -> None:
        super().__init__(n_vars, config)
        k, hidden = config.latent_dim, config.hidden_dim
        n_in, n_code = n_vars + n_covariates, k + n_covariates
        self.before, self.after = nn.Sequential(), nn.Sequential()
        if hidden is not None:
            first = glorot_linear(n_in, hidden, trained_bias=False)
            self.before.extend([first, keras_batch_norm(hidden), nn.ReLU()])
            self.after.extend([glorot_linear(n_code, hidden), nn.ReLU()])
        self.encoder = glorot_linear(hidden or n_in, 2 * k, heads=2, trained_bias=False)
        self.norm = keras_batch_norm(2 * k)
        self.decoder = glorot_linear(hidden or n_code, n_vars)

    def heads(self, input_ng: Tensor) -> tuple[Tensor, Tensor]:
        both_n2k = torch.relu(self.norm(self.encoder(self.before(input_ng))))
        mean_nk, logvar_nk = both_n2k.chunk(2, dim=1)
        return mean_nk, logvar_nk

    def logits(self, code_nk: Tensor) -> Tensor:
        logits_ng: Tensor = self.decoder(self.after(code_nk))
        return logits_ng

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.heads(batch.x_ng)

    def nll(self, batch: Batch, z_nk: Tensor) -> Tensor:
        return bernoulli_nll(self.logits(z_nk), batch.x_ng)

    def beta(self, epoch: int | None) -> float:
        if self.config.mode == "as_run":
            return 0.0
        return warmup(self.config.warmup, self.config.kappa, epoch)

    def decode(self, z_nk: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(z_nk))

    def weights(self) -> Tensor:
        """Decoder weights; with `hidden_dim` the product of both layers', as published."""
        return product_of_weights([*self.after, self.decoder])
