"""SSVAE: responses from profiles, most of which have no known response."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from tybalt_like.core.distributed import all_rows
from tybalt_like.models.base import Batch
from tybalt_like.models.networks.losses import multiquadratic
from tybalt_like.models.networks.paired import Normal, Paired, PairedConfig, Rows, mean_where
from tybalt_like.models.networks.response import Response, ResponseConfig, interval, spread


@dataclass(frozen=True)
class SSVAEConfig(ResponseConfig, PairedConfig):
    """Settings of `SSVAE`: those of `PairedConfig` and of `ResponseConfig`, and

    Parameters
    ----------
    covariates
        Nuisance columns, such as batch or sex, that the code should not depend on: the variational
        fair autoencoder.
    categories
        The values of each of them; `tl.fit` takes those of the training samples.
    mmd_weight
        Weight of the distance between the codes of each nuisance group and the others.
    """

    covariates: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()
    mmd_weight: NonNegativeFloat = 1.0


class SSVAE(Paired, name="ss_vae"):
    """Semi-supervised VAE; with covariates, the variational fair autoencoder (VFAE).

    Model: p(z3) p(y) p(z1|z3,y) p(x|z1,s), and q(z1|x,s), q(z3|z1,y) and a linear q(y|z1).

    Loss: ``-log p(x|z1) + KL(q(z3|z1,y) || N(0, 1)) + KL(q(z1|x) || p(z1|z3,y))``, and
    ``-rate log q(y)`` where y is known. Where it is not, the KL terms are summed over y, weighted
    by q(y), and KL(q(y) || p(y)) is added. With covariates also ``MMD``, the squared distance
    between codes of a nuisance group and those of all other samples, summed over groups.

    Source: Kingma et al., NeurIPS 2014 (M1+M2); Louizos et al., ICLR 2016 (VFAE).

    Use it to learn a response from few labelled and many unlabelled profiles of untreated samples.
    """

    citation = (
        "Semi-supervised VAE: Kingma DP, Rezende DJ, Mohamed S, Welling M. Semi-supervised "
        "learning with deep generative models. NeurIPS (2014); fair: Louizos C, Swersky K, Li "
        "Y, Welling M, Zemel R. The variational fair autoencoder. ICLR (2016)."
    )
    Config = SSVAEConfig
    takes = frozenset({"y_n", "weight_n"})

    def __init__(self, n_vars: int, config: SSVAEConfig) -> None:
        super().__init__(n_vars, config, beside_genes=sum(map(len, config.categories)))
        k = config.latent_dim
        self.response = Response(config, k, n_features=k, free_bits=config.free_bits)

    def solve(self, train: Batch) -> None:
        super().solve(train)
        self.response.solve(Rows.of(train))

    def beside(self, batch: Batch, x: Tensor) -> Tensor:
        """Genes or codes, (..., n, k), with the covariates of the rows beside them."""
        c_nc = self.known(batch, x.shape[-2])
        return torch.cat([x, c_nc.expand(*x.shape[:-1], -1)], -1)

    def encode(self, batch: Batch, x_ng: Tensor) -> Normal:
        """q(z1|x,s)."""
        q1: Normal = self.encoder(self.beside(batch, x_ng))
        return q1

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        rows = Rows.of(batch)
        q1 = self.encode(batch, self.blurred(rows.x_ng)).times(self.config.draws)
        z1_snk = q1.draw()
        terms = self.response.terms(z1_snk, q1, z1_snk, rows)
        reconstruction = self.decoder.nll(self.beside(batch, z1_snk), rows.x_ng).mean()
        kl, response = terms.kl_n.mean(), mean_where(terms.nll_n, rows.known_n)
        loss = reconstruction + kl + self.config.rate * response
        parts = {"reconstruction": reconstruction, "kl": kl, "response": response}
        if self.covariates:
            parts["mmd"] = self.discrepancy(batch, z1_snk)
            loss = loss + self.config.mmd_weight * parts["mmd"]
        return {"loss": loss, **parts}

    def discrepancy(self, batch: Batch, z1_snk: Tensor) -> Tensor:
        """Squared MMD of each nuisance group to all other rows, summed; mean over draws.

        With weights 1 / size in the group and -1 / size outside it, it is ``w' K w``.
        """
        c_nc = all_rows(self.known(batch, z1_snk.shape[-2]))
        z1_snk = all_rows(z1_snk.transpose(0, 1)).transpose(0, 1)
        inside_c, outside_c = c_nc.sum(0), (1 - c_nc).sum(0)
        w_nc = c_nc / inside_c.clamp(min=1e-6) - (1 - c_nc) / outside_c.clamp(min=1e-6)
        w_nc = w_nc * ((inside_c >= 1) & (outside_c >= 1))
        kernels_snn = torch.stack([multiquadratic(z_nk, z_nk) for z_nk in z1_snk])
        return torch.einsum("nc,snm,mc->s", w_nc, kernels_snn, w_nc).mean()

    def predict(self, batch: Batch, *, identity: bool = False) -> dict[str, Tensor]:  # noqa: ARG002
        q1 = self.encode(batch, batch.x_ng)
        parts = {"z1_nk": q1.mean, "before_ng": self.decoder(self.beside(batch, q1.mean))}
        return parts | {"response_n": self.response(q1.mean)} | interval(self.response(spread(q1)))

    def infer(self, batch: Batch) -> tuple[Tensor, Tensor]:
        z_nk = batch.tensors.get("z_nk")
        z_nk = self.encode(batch, batch.x_ng).mean if z_nk is None else z_nk
        return z_nk, self.decoder(self.beside(batch, z_nk))

    def embed(self, x_ng: Tensor) -> Tensor:
        """Mean of q(z1|x,s) at the training frequencies of the covariates."""
        return self.encode(Batch({}), x_ng).mean

    def decode(self, z_nk: Tensor) -> Tensor:
        """Reconstruction at the training frequencies of the covariates."""
        profile_ng: Tensor = self.decoder(self.beside(Batch({}), z_nk))
        return profile_ng

    def agreement(self, response_n: Tensor, y_n: Tensor) -> dict[str, Tensor]:
        return self.response.agreement(response_n, y_n)
