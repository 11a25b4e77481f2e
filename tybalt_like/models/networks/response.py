"""The response to treatment as part of a model: a classifier, and two layers below it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from tybalt_like.models.networks.losses import fixed_noise, gaussian_nll
from tybalt_like.models.networks.paired import (
    Normal,
    NormalNet,
    Rows,
    correlation,
    floored,
    ranking,
)

N_CLASSES = 2
INTERVAL = (0.05, 0.95)
DRAWS = 64
"""Latent draws behind the interval of a predicted response."""


@dataclass(frozen=True)
class ResponseConfig:
    """Settings of models with a response; the defaults are the paper's.

    Parameters
    ----------
    response
        ``"binary"``: 0 or 1, summed out where it is missing; ``"continuous"``: standardised, with
        a learned residual variance, drawn from q(y) where it is missing.
    rate
        Weight of the prediction of known responses; the paper chose among 1, 3, 5 and 10.
    top_dim
        Features of z3, what in z1 does not follow from the response.
    top_hidden_dims
        Features of the hidden layers of q(z3|z1,y) and p(z1|z3,y).
    """

    response: Literal["binary", "continuous"] = "binary"
    rate: NonNegativeFloat = 5.0
    top_dim: PositiveInt = 100
    top_hidden_dims: tuple[PositiveInt, ...] = (200,)


class Terms(NamedTuple):
    """Parts of the loss per row: KL terms, and -log q(y), 0 where y is missing."""

    kl_n: Tensor
    nll_n: Tensor


class Response(nn.Module):
    """q(y|.), a linear classifier or regression; p(z3) p(y) p(z1|z3,y); and q(z3|z1,y)."""

    y_mean: Tensor
    y_sd: Tensor

    def __init__(self, config: ResponseConfig, k: int, *, n_features: int, free_bits: float):
        super().__init__()
        self.is_binary, self.free_bits = config.response == "binary", free_bits
        width = N_CLASSES if self.is_binary else 1
        self.classifier = nn.Linear(n_features, width)
        self.top_encoder = NormalNet([k + width, *config.top_hidden_dims, config.top_dim])
        self.top_decoder = NormalNet([config.top_dim + width, *config.top_hidden_dims, k])
        if not self.is_binary:
            self.logvar = nn.Parameter(torch.zeros(()))
        self.register_buffer("y_mean", torch.zeros(()))
        self.register_buffer("y_sd", torch.ones(()))

    def solve(self, rows: Rows) -> None:
        """Mean and standard deviation of the known responses, where they are numbers."""
        y_n = rows.y_n[rows.known_n]
        if not self.is_binary and len(y_n) > 1:
            self.y_mean.copy_(y_n.mean())
            self.y_sd.copy_(y_n.std().clamp(min=1e-6))

    def forward(self, features: Tensor) -> Tensor:
        """Probability of class 1, or the expected value."""
        out: Tensor = self.classifier(features)
        if self.is_binary:
            return out.softmax(-1)[..., 1]
        return self.y_mean + self.y_sd * out[..., 0]

    def terms(self, features_snf: Tensor, q1: Normal, z1_snk: Tensor, rows: Rows) -> Terms:
        """KL terms and prediction error, averaged over draws."""
        of = self._summed_out if self.is_binary else self._drawn
        kl_sn, nll_sn = of(features_snf, q1, z1_snk, rows)
        return Terms(kl_sn.mean(0), nll_sn.mean(0) * rows.known_n)

    def _summed_out(
        self, features_snf: Tensor, q1: Normal, z1_snk: Tensor, rows: Rows
    ) -> tuple[Tensor, Tensor]:
        """Missing classes are summed over, weighted by q(y), whose KL is to a uniform p(y)."""
        log_q_sny = self.classifier(features_snf).log_softmax(-1)
        draws, n, _ = z1_snk.shape
        classes_snyy = torch.eye(N_CLASSES).to(z1_snk).expand(draws, n, -1, -1)
        each = (draws, n, N_CLASSES, -1)
        every_q1 = Normal(*(part.unsqueeze(2).expand(each) for part in q1))
        kl_sny = self._kl(every_q1, z1_snk.unsqueeze(2).expand(each), classes_snyy)
        at_sn1 = rows.y_n.long()[:, None].expand(draws, -1, -1)
        missing_sn = (log_q_sny.exp() * (kl_sny + log_q_sny)).sum(2) + math.log(N_CLASSES)
        kl_sn = kl_sny.gather(2, at_sn1).squeeze(2).where(rows.known_n, missing_sn)
        return kl_sn, -log_q_sny.gather(2, at_sn1).squeeze(2)

    def _drawn(
        self, features_snf: Tensor, q1: Normal, z1_snk: Tensor, rows: Rows
    ) -> tuple[Tensor, Tensor]:
        """Missing numbers are drawn from q(y), whose KL is to N(0, 1), the standardised p(y)."""
        q = Normal(self.classifier(features_snf), self.logvar.clamp(-10, 10).expand(1, 1, 1))
        known_sn1 = ((rows.y_n - self.y_mean) / self.y_sd)[:, None].expand_as(q.mean)
        y_sn1 = known_sn1.where(rows.known_n[:, None], q.draw())
        kl_sn = self._kl(q1, z1_snk, y_sn1) + q.kl_standard() * ~rows.known_n
        return kl_sn, gaussian_nll(q.mean, q.logvar.exp(), known_sn1)

    def _kl(self, q1: Normal, z1: Tensor, y: Tensor) -> Tensor:
        """KL(q(z3|z1,y) || N(0,1)) + KL(q(z1|x1) || p(z1|z3,y)), each with its free bits."""
        q3 = self.top_encoder(torch.cat([z1, y], -1))
        p1 = self.top_decoder(torch.cat([q3.draw(), y], -1))
        return floored(q3.kl_standard(), self.free_bits) + floored(q1.kl(p1), self.free_bits)

    def agreement(self, response_n: Tensor, y_n: Tensor) -> dict[str, Tensor]:
        """AUROC and average precision of classes, correlation of numbers, where defined."""
        if self.is_binary:
            return ranking(response_n, y_n)
        if len(y_n) < 3:  # any two numbers correlate
            return {}
        return {"y_correlation": correlation(response_n[None], y_n[None])}


def spread(q: Normal, *, shift: int = 0) -> Tensor:
    """The same `DRAWS` draws of every row in every call, (draws, n, k); with another `shift`,
    others."""
    noise_dk = fixed_noise(q.mean.flatten(0, -2), DRAWS).roll(shift, 0)
    return q.mean + noise_dk[:, None] * (0.5 * q.logvar).exp()


def interval(response_dn: Tensor) -> dict[str, Tensor]:
    """Ends of the interval that holds 90 % of the draws of each row."""
    low_n, high_n = torch.quantile(response_dn, response_dn.new_tensor(INTERVAL), dim=0)
    return {"low_n": low_n, "high_n": high_n}
