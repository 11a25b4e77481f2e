"""Beta-VAE: the plain variational autoencoder, with a weight on its KL term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from tybalt_like.models.base import Batch, Training
from tybalt_like.models.networks.blocks import (
    Standardise,
    posterior_heads,
    product_of_weights,
    start_at,
)
from tybalt_like.models.networks.image_networks import encoder_decoder, unit_response
from tybalt_like.models.networks.losses import bernoulli_nll, gaussian_nll
from tybalt_like.models.networks.schedules import Warmup, warmup
from tybalt_like.models.networks.variational import Variational

LEAST_VARIANCE = 1e-4
"""Added to the variance of every gene, so that a constant gene's likelihood stays finite."""


@dataclass(frozen=True)
class BetaVAEConfig:
    """Settings of `BetaVAE`.

    Parameters
    ----------
    latent_dim
        Number of latent features; 100 as in Tybalt.
    hidden_dims
        Features of the hidden layers from the genes inwards; the decoder mirrors them. None by
        default: in cohorts of 278 to 2,382 samples they did not help to reconstruct held-out ones.
    image_shape
        Channels, rows and columns of images, whose pixels are the n_vars values of a row; the
        networks are then convolutional, with the hidden layers between convolutions and code.
        None for profiles.
    channels
        Channels next to the image; each halving of its sides doubles them.
    likelihood
        ``"gaussian"``: real values, with a variance learned for every gene; ``"bernoulli"``:
        values in [0, 1], as Tybalt.
    beta
        Final weight of the KL term. 1 is the evidence lower bound; above 1, fewer and more
        independent features are used (Higgins et al. take 4 to 250 on images); below 1,
        reconstructions gain.
    warmup
        How the weight rises from 0 to `beta`; see `schedules.warmup`.
    kappa
        By which share of `beta` the weight rises per epoch. By default it has risen before early
        stopping begins to judge.
    """

    latent_dim: PositiveInt = 100
    hidden_dims: tuple[PositiveInt, ...] = ()
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
    channels: PositiveInt = 32
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"
    beta: NonNegativeFloat = 1.0
    warmup: Warmup = "linear"
    kappa: PositiveFloat = 0.05


class BetaVAE(Variational, name="beta_vae", title="beta-VAE"):
    """The variational autoencoder without Tybalt's rectified heads, its KL term weighed by beta.

    Loss: ``-log p(x|z)  +  beta x KL(q(z|x) || N(0, 1))``.

    Source: Kingma & Welling, ICLR 2014; Higgins et al., ICLR 2017.

    Use it as the plain choice among the VAEs: latent features of both signs, a learned noise
    level per gene. Without hidden layers it is factor analysis with an encoder.
    """

    citation = (
        "beta-VAE: Higgins I, Matthey L, Pal A, et al. beta-VAE: learning basic visual "
        "concepts with a constrained variational framework. ICLR (2017); variational "
        "autoencoder: Kingma DP, Welling M. Auto-encoding variational Bayes. ICLR (2014)."
    )
    Config = BetaVAEConfig
    training_defaults = Training(epochs=500, batch_size=50, learning_rate=1e-3)

    def __init__(self, n_vars: int, config: BetaVAEConfig) -> None:
        super().__init__(n_vars, config)
        self.likelihood = config.likelihood
        self.domain = "unit" if config.likelihood == "bernoulli" else "real"
        self.standardise = Standardise(n_vars)
        self.encoder, self.decoder = encoder_decoder(
            n_vars,
            config.latent_dim,
            hidden=config.hidden_dims,
            shape=config.image_shape,
            channels=config.channels,
            heads=2,
        )
        if config.likelihood == "gaussian":
            self.logvar_g = nn.Parameter(torch.zeros(n_vars))

    def solve(self, train: Batch) -> None:
        """Start at the mean profile, with the genes' own variances as the noise."""
        x_ng = train.x_ng
        self.standardise.fit(x_ng, alike=self.config.image_shape is not None)
        if self.config.likelihood == "bernoulli":
            start_at(self.decoder, x_ng.mean(0).clamp(0.01, 0.99).logit())
        else:
            start_at(self.decoder, x_ng.mean(0))
            variance_g = x_ng.var(0, correction=0).clamp(min=LEAST_VARIANCE)
            self.logvar_g.data.copy_(variance_g.log())

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return posterior_heads(self.encoder(self.standardise(batch.x_ng)))

    def nll(self, batch: Batch, z_nk: Tensor) -> Tensor:
        if self.config.likelihood == "bernoulli":
            return bernoulli_nll(self.decoder(z_nk), batch.x_ng)
        return gaussian_nll(self.decoder(z_nk), self.logvar_g.exp() + LEAST_VARIANCE, batch.x_ng)

    def beta(self, epoch: int | None) -> float:
        weight: float = self.config.beta
        return weight * warmup(self.config.warmup, self.config.kappa, epoch)

    def decode(self, z_nk: Tensor) -> Tensor:
        out_ng: Tensor = self.decoder(z_nk)
        return out_ng.sigmoid() if self.config.likelihood == "bernoulli" else out_ng

    def weights(self) -> Tensor:
        """Product of the decoder's layers, which ignores the ReLU between them; of images,
        `unit_response`."""
        if self.config.image_shape is not None:
            one_kk = torch.eye(self.config.latent_dim).to(self.standardise.mean_g)
            return unit_response(self.decode, one_kk)
        return product_of_weights(self.decoder)
