"""PertVAE: profiles before and after a treatment, which moves samples in latent space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from tybalt_like.evaluation.conformal import half_widths
from tybalt_like.models.base import Batch
from tybalt_like.models.networks.linear_pairs import LinearPairs, Pairs, chosen
from tybalt_like.models.networks.paired import (
    Normal,
    Paired,
    PairedConfig,
    Perturbation,
    Rows,
    floored,
    mean_where,
)

MIN_PAIRS = 10
"""Fewer have no linear solution worth having."""


class After(NamedTuple):
    """What profiles after treatment add to the loss, per row.

    Attributes
    ----------
    q2
        q(z2|x2) for every draw.
    ahead_snk
        Draws from p(z2|z1), which have not seen x2.
    reconstruction_n, ahead_n
        -log p(x2|z2) for z2 from q(z2|x2), and for `ahead_snk`.
    kl_n
        KL(q(z2|x2) || p(z2|z1)).
    """

    q2: Normal
    ahead_snk: Tensor
    reconstruction_n: Tensor
    ahead_n: Tensor
    kl_n: Tensor


@dataclass(frozen=True)
class PertVAEConfig(PairedConfig):
    """Settings of `PertVAE`: those of `PairedConfig`, and

    Parameters
    ----------
    perturbation_weight
        Weight of the prediction of the treated profile from the untreated one alone.
    as_published
        Do what the published code does: draw z2 from q(z1|x1) instead of q(z2|x2), so that the
        treated profile is reconstructed from the wrong code, and hold q(z2|x2) to N(0, 1) too.
    linear_part
        Predict the treated profile by the linear solution of the pairs, to which the network is
        added in the share that held-out units confirm: see `PertVAE.settle`. The paper has none.
    covariates
        Columns with conditions of the treatment, such as its dose, that shift z2. The paper has
        none.
    categories
        The values of each of them; `tl.fit` takes those of the training samples.
    """

    perturbation_weight: NonNegativeFloat = 0.05
    as_published: bool = False
    linear_part: bool = True
    covariates: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()


class PertVAE(Paired, name="pert_vae"):
    """A latent space in which a treatment is a linear shift: ``z2 = z1 + W z1 + b + noise``.

    Model: p(z1) p(z2|z1) p(x1|z1) p(x2|z2), and q(z1|x1), q(z2|x2) with one encoder.

    Loss: ``-log p(x1|z1) + KL(q(z1|x1) || N(0, 1))`` for every sample; for pairs also
    ``-log p(x2|z2) + KL(q(z2|x2) || p(z2|z1)) - 0.05 log p(x2|z ~ p(z2|z1))``.

    Treated profiles are predicted as ``(1 - gate) linear + gate p(x2|z2)``, see `LinearPairs`.

    Source: Rampasek et al., Bioinformatics 35:3743 (2019); repository rampasek/DrVAE.

    Use it to predict the treated profile of samples that were never treated.
    """

    citation = (
        "Dr.VAE: Rampášek L, Hidru D, Smirnov P, Haibe-Kains B, Goldenberg A. Dr.VAE: "
        "improving drug response prediction via modeling of drug perturbation effects. "
        "Bioinformatics 35:3743-3751 (2019)."
    )
    Config = PertVAEConfig
    takes = frozenset({"x2_ng", "weight_n", "unit_n"})
    gate: Tensor
    half_width_g: Tensor
    """Half the width of the 90 % interval of each gene after treatment; infinite if unknown."""

    def __init__(self, n_vars: int, config: PertVAEConfig) -> None:
        super().__init__(n_vars, config)
        self.linear_pairs = LinearPairs(n_vars, len(self.frequency_c))
        self.register_buffer("gate", torch.ones(()))
        self.register_buffer("half_width_g", torch.full((n_vars,), torch.inf))
        self.perturbation = Perturbation(config.latent_dim, len(self.frequency_c))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        rows, q1, z1_snk = self.encoded(batch)
        after = self.after(batch, rows, q1, z1_snk)
        kl_n = floored(q1.kl_standard(), self.config.free_bits).mean(0)
        if self.config.as_published:
            kl_2_n = floored(after.q2.kl_standard(), self.config.free_bits).mean(0)
            kl_n = kl_n + rows.pair_n * kl_2_n
        return self.bound(rows, z1_snk, after, kl_n)

    def after(self, batch: Batch, rows: Rows, q1: Normal, z1_snk: Tensor) -> After:
        """What the profiles after treatment add; meaningful for the rows of ``rows.pair_n``."""
        q2 = self.encoder(self.blurred(rows.x2_ng)).times(self.config.draws)
        z2_snk = (q1 if self.config.as_published else q2).draw()
        p2 = self.moved(batch, z1_snk)
        ahead_snk = p2.draw()
        return After(
            q2,
            ahead_snk,
            reconstruction_n=self.decoder.nll(z2_snk, rows.x2_ng).mean(0),
            ahead_n=self.decoder.nll(ahead_snk, rows.x2_ng).mean(0),
            kl_n=floored(q2.kl(p2), self.config.free_bits).mean(0),
        )

    def bound(self, rows: Rows, z1_snk: Tensor, after: After, kl_n: Tensor) -> dict[str, Tensor]:
        """The loss of all profiles; `kl_n` is what the first latent layer costs."""
        before_n = self.decoder.nll(z1_snk, rows.x_ng).mean(0)
        reconstruction = (before_n + rows.pair_n * after.reconstruction_n).mean()
        kl = (kl_n + rows.pair_n * after.kl_n).mean()
        ahead = mean_where(after.ahead_n, rows.pair_n)
        loss = reconstruction + kl + self.config.perturbation_weight * ahead
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl, "perturbation": ahead}

    def predict(self, batch: Batch, *, identity: bool = False) -> dict[str, Tensor]:
        z1_nk = self.embed(batch.x_ng)
        z2_nk = z1_nk if identity else self.moved(batch, z1_nk).mean
        c_nc = self.known(batch, len(z1_nk)) - self.frequency_c
        before_ng, after_ng = self.linear_pairs(batch.x_ng, c_nc)
        before_ng = torch.lerp(before_ng, self.decode(z1_nk), self.gate)
        after_ng = torch.lerp(after_ng, self.decode(z2_nk), self.gate)
        return {
            "z1_nk": z1_nk,
            "z2_nk": z2_nk,
            "before_ng": before_ng,
            "after_ng": before_ng if identity else after_ng,
        }

    def settle(self, train: Batch, validation: Batch | None) -> None:
        """Solve the linear part, open the gate as far as held-out units want it, and measure what
        remains to be said of their genes.

        The gate is the share of the network that makes the squared error of the validation pairs
        least; where their units are in training too, they cannot tell, and it is 0. Then the linear
        part is solved once more with all pairs.
        """
        if validation is None or self.config.as_published or not self.config.linear_part:
            return
        learned, held = self.pairs(train), self.pairs(validation)
        if len(learned.unit_n) < MIN_PAIRS:
            return
        choice = chosen(learned)
        self.linear_pairs.solve(learned, choice)
        self.gate.zero_()
        if len(held.unit_n) and not torch.isin(held.unit_n, learned.unit_n).any():
            linear_ng = self.linear_pairs(held.x1_ng, held.c_nc)[1]
            z1_nk = self.embed(held.x1_ng)
            z2_nk = self.perturbation(z1_nk, held.c_nc + self.frequency_c).mean
            more_ng = self.decode(z2_nk) - linear_ng
            wanted = (more_ng * (held.x2_ng - linear_ng)).sum() / more_ng.square().sum()
            self.gate.copy_(wanted.nan_to_num().clamp(0, 1))
            error_ng = (linear_ng + self.gate * more_ng - held.x2_ng).abs()
            self.half_width_g.copy_(
                torch.from_numpy(half_widths(*(a.cpu().numpy() for a in (error_ng, held.unit_n))))
            )
        self.linear_pairs.solve(learned.and_(held), choice)

    def pairs(self, batch: Batch) -> Pairs:
        """The pairs of a batch; each is a unit of its own where none are known."""
        rows = Rows.of(batch)
        n = len(rows.pair_n)
        own_n = torch.arange(n, device=rows.x_ng.device)
        unit_n = batch.tensors.get("unit_n", own_n)
        c_nc = self.known(batch, n) - self.frequency_c
        return Pairs(rows.x_ng, rows.x2_ng, c_nc, unit_n).at(rows.pair_n)

    def moved(self, batch: Batch, z1: Tensor) -> Normal:
        """p(z2|z1) under the conditions of the rows."""
        p2: Normal = self.perturbation(z1, self.known(batch, z1.shape[-2]))
        return p2
