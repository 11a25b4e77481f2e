"""Dr.VAE: the response to a drug, from the profile before it and the change it is predicted to
bring."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tybalt_like.models.base import Batch
from tybalt_like.models.networks.paired import Rows, mean_where
from tybalt_like.models.networks.response import Response, ResponseConfig, interval, spread
from tybalt_like.models.pert_vae import PertVAE, PertVAEConfig


@dataclass(frozen=True)
class DrVAEConfig(ResponseConfig, PertVAEConfig):
    """Settings of `DrVAE`: those of `PertVAEConfig` and of `ResponseConfig`."""


class DrVAE(PertVAE, name="dr_vae"):
    """Drug response variational autoencoder: `PertVAE` and `SSVAE` in one.

    Model: p(z3) p(y) p(z1|z3,y) p(z2|z1) p(x1|z1) p(x2|z2), and q(z1|x1), q(z2|x2) with one
    encoder, q(z3|z1,y), and a linear q(y|z1, z2 - z1) with z2 from p(z2|z1).

    Loss: ``-log p(x1|z1) + KL(q(z3|z1,y) || N(0, 1)) + KL(q(z1|x1) || p(z1|z3,y))``; for pairs
    what `PertVAE` adds; ``-rate log q(y)`` where y is known. Where it is not, the KL terms are
    summed over y, weighted by q(y), and KL(q(y) || p(y)) is added.

    Source: Rampasek et al., Bioinformatics 35:3743 (2019); repository rampasek/DrVAE.

    Use it where few treated samples have a known response and many do not: one model per drug.
    """

    citation = (
        "Dr.VAE: Rampášek L, Hidru D, Smirnov P, Haibe-Kains B, Goldenberg A. Dr.VAE: "
        "improving drug response prediction via modeling of drug perturbation effects. "
        "Bioinformatics 35:3743-3751 (2019)."
    )
    Config = DrVAEConfig
    takes = frozenset({"x2_ng", "y_n", "weight_n", "unit_n"})

    def __init__(self, n_vars: int, config: DrVAEConfig) -> None:
        super().__init__(n_vars, config)
        k = config.latent_dim
        self.response = Response(config, k, n_features=2 * k, free_bits=config.free_bits)

    def solve(self, train: Batch) -> None:
        super().solve(train)
        self.response.solve(Rows.of(train))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        rows, q1, z1_snk = self.encoded(batch)
        after = self.after(batch, rows, q1, z1_snk)
        features_snf = torch.cat([z1_snk, after.ahead_snk - z1_snk], -1)
        terms = self.response.terms(features_snf, q1, z1_snk, rows)
        parts = self.bound(rows, z1_snk, after, terms.kl_n)
        response = mean_where(terms.nll_n, rows.known_n)
        loss = parts["loss"] + self.config.rate * response
        return parts | {"loss": loss, "response": response}

    def predict(self, batch: Batch, *, identity: bool = False) -> dict[str, Tensor]:
        parts = super().predict(batch, identity=identity)
        z1_dnk = spread(self.encoder(batch.x_ng))
        z2_dnk = z1_dnk if identity else spread(self.moved(batch, z1_dnk), shift=1)
        drawn_dn = self.response(torch.cat([z1_dnk, z2_dnk - z1_dnk], -1))
        features_nf = torch.cat([parts["z1_nk"], parts["z2_nk"] - parts["z1_nk"]], -1)
        return parts | {"response_n": self.response(features_nf)} | interval(drawn_dn)

    def agreement(self, response_n: Tensor, y_n: Tensor) -> dict[str, Tensor]:
        return self.response.agreement(response_n, y_n)
