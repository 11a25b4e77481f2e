"""A VAE of counts: negative binomial, aware of library sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from tybalt_like.models.base import Batch, Training
from tybalt_like.models.networks.blocks import (
    Standardise,
    gene_encoder,
    mlp,
    posterior_heads,
    product_of_weights,
    start_at,
)
from tybalt_like.models.networks.dispersion import DISPERSION
from tybalt_like.models.networks.losses import negative_binomial_nll, zero_inflated_nll
from tybalt_like.models.networks.schedules import Warmup, warmup
from tybalt_like.models.networks.variational import Variational


@dataclass(frozen=True)
class CountVAEConfig:
    """Settings of `CountVAE`.

    Parameters
    ----------
    latent_dim
        Number of latent features; 10 in scVI.
    hidden_dims
        Features of the hidden layers from the genes inwards; 128 in scVI. None by default: in
        cohorts of 85 to 1,556 samples they helped little or harmed.
    zero_inflation
        Let every gene be zero beyond the negative binomial, with a probability that depends on
        the code. Bulk RNA-seq seldom needs it.
    beta, warmup, kappa
        As in `BetaVAEConfig`.
    """

    latent_dim: PositiveInt = 10
    hidden_dims: tuple[PositiveInt, ...] = ()
    zero_inflation: bool = False
    beta: NonNegativeFloat = 1.0
    warmup: Warmup = "linear"
    kappa: PositiveFloat = 0.05


class CountVAE(Variational, name="count_vae"):
    """Reads counts and explains them: what share of a library each gene has, and how noisy it is.

    The decoder gives the shares rho(z), a softmax over the genes; a sample with the library size
    l (its total over the genes of the model) is expected to have l rho counts. The encoder sees
    log counts at the typical library size, standardised.

    Loss: ``-log NB(x | mean = l rho(z), variance = mean + mean^2 / theta_g)
    +  beta x KL(q(z|x) || N(0, 1))``; with `zero_inflation` NB becomes
    ``pi(z) [x = 0] + (1 - pi(z)) NB``.

    Source: scVI (Lopez et al., Nature Methods 2018), with the observed library size.

    Use it on raw counts, above all low ones, where a logarithm distorts. Recipe: in
    ``[normalize]``, ``library = "none"``, ``log = "no"`` and ``scale = "none"``.
    """

    citation = (
        "Count variational autoencoder: Lopez R, Regier J, Cole MB, Jordan MI, Yosef N. Deep "
        "generative modeling for single-cell transcriptomics. Nature Methods 15:1053-1058 "
        "(2018)."
    )
    Config = CountVAEConfig
    training_defaults = Training(epochs=500, batch_size=50, learning_rate=1e-3)
    domain = "counts"
    likelihood = "negative binomial"
    library: Tensor

    def __init__(self, n_vars: int, config: CountVAEConfig) -> None:
        super().__init__(n_vars, config)
        k, hidden = config.latent_dim, config.hidden_dims
        self.register_buffer("library", torch.tensor(1e4))
        self.standardise = Standardise(n_vars)
        self.encoder = gene_encoder([n_vars, *hidden, 2 * k], heads=2)
        self.decoder = mlp([k, *reversed(hidden), n_vars])
        self.logdispersion_g = nn.Parameter(torch.zeros(n_vars))
        if config.zero_inflation:
            self.zeros = mlp([k, *reversed(hidden), n_vars])

    def solve(self, train: Batch) -> None:
        """Start at the mean profile, with the dispersions that fit the genes' variances."""
        x_ng = train.x_ng
        library_n1 = library_size(x_ng)
        self.library.copy_(library_n1.median())
        self.standardise.fit(self.logged(x_ng))
        scaled_ng = x_ng / library_n1 * self.library
        mean_g, variance_g = scaled_ng.mean(0), scaled_ng.var(0, correction=0)
        excess_g = (variance_g - mean_g).clamp(min=1e-8)
        self.logdispersion_g.data.copy_((mean_g.square() / excess_g).clamp(*DISPERSION).log())
        start_at(self.decoder, mean_g.clamp(min=1e-3).log())
        if self.config.zero_inflation:
            start_at(self.zeros, torch.full_like(mean_g, -3.0))

    def logged(self, x_ng: Tensor) -> Tensor:
        return torch.log1p(x_ng / library_size(x_ng) * self.library)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return posterior_heads(self.encoder(self.standardise(self.logged(batch.x_ng))))

    def dispersion(self) -> Tensor:
        """Dispersion of every gene, (g,); the larger, the closer to Poisson noise."""
        low, high = map(math.log, DISPERSION)
        return self.logdispersion_g.clamp(low, high).exp()

    def nll(self, batch: Batch, z_nk: Tensor) -> Tensor:
        x_ng = batch.x_ng
        mean_ng = library_size(x_ng) * self.decoder(z_nk).softmax(1) + 1e-8
        nll_ng = negative_binomial_nll(mean_ng, self.dispersion(), x_ng)
        if self.config.zero_inflation:
            nll_ng = zero_inflated_nll(nll_ng, self.zeros(z_nk), x_ng)
        return nll_ng.sum(1)

    def infer(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Codes, and the counts expected in libraries of these samples' sizes."""
        z_nk = batch.tensors.get("z_nk")
        z_nk = self.encode(batch)[0] if z_nk is None else z_nk
        return z_nk, library_size(batch.x_ng) * self.shares(z_nk)

    def misfit(self, batch: Batch, error_g: Tensor) -> Tensor:  # noqa: ARG002
        """Minus the log likelihood of the counts, (n,)."""
        return self.nll(batch, batch.tensors["z_nk"])

    def decode(self, z_nk: Tensor) -> Tensor:
        """Counts expected in a library of the training samples' median size."""
        return self.library * self.shares(z_nk)

    def shares(self, z_nk: Tensor) -> Tensor:
        """Expected counts per count in the library, (n, g)."""
        shares_ng: Tensor = self.decoder(z_nk).softmax(1)
        if self.config.zero_inflation:
            shares_ng = shares_ng * torch.sigmoid(-self.zeros(z_nk))
        return shares_ng

    def beta(self, epoch: int | None) -> float:
        weight: float = self.config.beta
        return weight * warmup(self.config.warmup, self.config.kappa, epoch)

    def weights(self) -> Tensor:
        """Product of the decoder's layers: change of the log share per unit of the feature."""
        return product_of_weights(self.decoder)


def library_size(x_ng: Tensor) -> Tensor:
    """Counts of each sample, at least 1, (n, 1)."""
    return x_ng.sum(1, keepdim=True).clamp(min=1)
