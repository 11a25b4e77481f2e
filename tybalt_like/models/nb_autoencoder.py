"""A linear autoencoder of counts: what should a gene's count be, given all the others?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from tybalt_like.models.base import Batch, Model, Step, Training
from tybalt_like.models.count_vae import library_size
from tybalt_like.models.networks.blocks import Standardise
from tybalt_like.models.networks.dispersion import fit_dispersion
from tybalt_like.models.networks.losses import negative_binomial_nll

LOG_RANGE = (-15.0, 20.0)
"""Logarithms of expected counts at the size factor 1: beyond, an odd sample could overflow."""


@dataclass(frozen=True)
class NBAutoencoderConfig:
    """Settings of `NBAutoencoder`.

    Parameters
    ----------
    latent_dim
        Number of latent features, cut to the rank of the training data.
    n_covariates
        Columns of known covariates, such as sex or batch, that are controlled for.
    """

    latent_dim: PositiveInt = 10
    n_covariates: NonNegativeInt = 0


class NBAutoencoder(Model, name="nb_autoencoder"):
    """The count of every gene that is to be expected from the sample's other genes.

    ``expected = size factor x exp(base + (x - base) E D)`` with
    ``x = log((count + 1) / size factor)`` and ``base = b + covariates C``: covariates shift the
    baseline, and the codes hold the confounders that nobody wrote down. E and D start at the
    principal components of the standardised x.

    Loss: ``-log NB(count | mean = expected, variance = mean + mean^2 / theta_g)``. The dispersion
    theta of each gene is its maximum-likelihood value at the principal components.

    Batches may carry ``size_n1``, size factors, and ``c_nc``, covariates with the mean 0. Without
    them, the library size relative to the median one stands in, and average covariates.

    Source: OUTRIDER (Brechtmann et al., AJHG 103:907, 2018), which alternates between E, D and
    theta; covariates as in PROTRIDER.

    Use it for expected counts. To find aberrant ones, ``tybalt-like aberrant`` has a faster and
    better way, of which this is the baseline.
    """

    citation = (
        "OUTRIDER: Brechtmann F, Mertes C, Matusevičiūtė A, et al. OUTRIDER: a statistical "
        "method for detecting aberrantly expressed genes in RNA sequencing data. American "
        "Journal of Human Genetics 103:907-917 (2018)."
    )
    Config = NBAutoencoderConfig
    training_defaults = Training(
        epochs=150,
        batch_size=512,
        min_batches=1,
        learning_rate=3e-3,
        schedule="cosine",
        patience=None,
    )
    domain = "counts"
    likelihood = "negative binomial"
    library: Tensor
    dispersion_g: Tensor
    effect_cg: nn.Parameter | None

    def __init__(self, n_vars: int, config: NBAutoencoderConfig) -> None:
        super().__init__(n_vars, config)
        self.register_buffer("library", torch.tensor(1.0))
        self.register_buffer("dispersion_g", torch.ones(n_vars))
        self.bias_g = nn.Parameter(torch.zeros(n_vars))
        self.encoder_gk = nn.Parameter(torch.zeros(n_vars, config.latent_dim))
        self.decoder_kg = nn.Parameter(torch.zeros(config.latent_dim, n_vars))
        effect_cg = nn.Parameter(torch.zeros(config.n_covariates, n_vars))
        self.register_parameter("effect_cg", effect_cg if config.n_covariates else None)

    def solve(self, train: Batch) -> None:
        """Start at the principal components, and set the dispersions that go with them."""
        self.library.copy_(library_size(train.x_ng).median())
        x_ng = self.logged(train).cpu().double()
        with torch.no_grad():
            self.bias_g.copy_(x_ng.mean(0))
            if self.effect_cg is not None:
                c_nc = train.tensors["c_nc"].cpu().double()
                effect_cg = torch.linalg.pinv(c_nc) @ (x_ng - x_ng.mean(0))
                self.effect_cg.copy_(effect_cg)
            residual_ng = x_ng - self.base(train).cpu().double()
            scale = Standardise(self.n_vars).to(x_ng)
            scale.fit(residual_ng)
            k = min(self.config.latent_dim, *x_ng.shape)
            v_kg = torch.linalg.svd(residual_ng / scale.sd_g, full_matrices=False).Vh[:k]
            self.encoder_gk.zero_()[:, :k] = (v_kg / scale.sd_g).T
            self.decoder_kg.zero_()[:k] = v_kg * scale.sd_g
            expected_ng = self.infer(train)[1]
            self.dispersion_g.copy_(fit_dispersion(train.x_ng, expected_ng))

    def logged(self, batch: Batch) -> Tensor:
        return ((batch.x_ng + 1) / self.size(batch)).log()

    def size(self, batch: Batch) -> Tensor:
        """Size factors, (n, 1)."""
        given_n1 = batch.tensors.get("size_n1")
        return library_size(batch.x_ng) / self.library if given_n1 is None else given_n1

    def base(self, batch: Batch) -> Tensor:
        """Logarithm of the expected counts of a sample without peculiarities, (n, g)."""
        c_nc = batch.tensors.get("c_nc")
        if self.effect_cg is None or c_nc is None:
            return self.bias_g.expand(len(batch.x_ng), -1)
        return self.bias_g + c_nc @ self.effect_cg

    def encode(self, batch: Batch) -> Tensor:
        """Codes, (n, k); a gene whose count is missing (NaN) is taken to be as usual."""
        return (self.logged(batch) - self.base(batch)).nan_to_num(0) @ self.encoder_gk

    def log_expected(self, batch: Batch, z_nk: Tensor) -> Tensor:
        """Logarithm of the expected counts, (n, g)."""
        log_ng = self.base(batch) + z_nk @ self.decoder_kg
        return log_ng.clamp(*LOG_RANGE) + self.size(batch).log()

    def infer(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Codes, and the expected counts at these samples' size factors and covariates."""
        z_nk = batch.tensors.get("z_nk")
        z_nk = self.encode(batch) if z_nk is None else z_nk
        return z_nk, self.log_expected(batch, z_nk).exp()

    def embed(self, x_ng: Tensor) -> Tensor:
        return self.encode(Batch({"x_ng": x_ng}))

    def decode(self, z_nk: Tensor) -> Tensor:
        """Counts expected at the size factor 1 and average covariates."""
        return (self.bias_g + z_nk @ self.decoder_kg).clamp(*LOG_RANGE).exp()

    def weights(self) -> Tensor:
        """Change of a gene's expected log count per unit of the feature."""
        return self.decoder_kg

    def steps(self) -> list[Step]:
        return [Step("autoencoder", list(self.parameters()), self._loss)]

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        """The part of the loss that depends on the mean, without a gamma function to compute."""
        log_ng = self.log_expected(batch, self.encode(batch))
        excess_ng = F.softplus(log_ng - self.dispersion_g.log())
        nll_ng = (batch.x_ng + self.dispersion_g) * excess_ng - batch.x_ng * log_ng
        return {"loss": nll_ng.sum(1).mean()}

    def score(self, batch: Batch) -> dict[str, Tensor]:
        """Mean negative log-likelihood per gene."""
        expected_ng = self.infer(batch)[1]
        nll_ng = negative_binomial_nll(expected_ng, self.dispersion_g, batch.x_ng)
        return {"reconstruction": nll_ng.mean(1)}
