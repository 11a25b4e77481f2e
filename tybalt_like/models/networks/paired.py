"""What models of treated samples share: profiles before and after, some with a response."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from tybalt_like.core import distributed, draws
from tybalt_like.models.base import Batch, Model, Step, Training
from tybalt_like.models.networks.blocks import product_of_weights, start_at
from tybalt_like.models.networks.losses import gaussian_nll, kl_normals, kl_standard_normal

LEAST_SD = 1e-3
LOGVAR_OFFSET = 2.0
"""Taken from every latent log-variance, so that posteriors start narrow."""


class Normal(NamedTuple):
    """A normal distribution with independent features."""

    mean: Tensor
    logvar: Tensor

    def times(self, draws: int) -> Normal:
        """The same for so many draws, (s, n, k)."""
        return Normal(*(part.expand(draws, *part.shape) for part in self))

    def draw(self) -> Tensor:
        """One reparametrised draw for each, (s, n, ...)."""
        noise = torch.stack([draws.noise_like(mean) for mean in self.mean])
        return self.mean + noise * (0.5 * self.logvar).exp()

    def kl(self, other: Normal) -> Tensor:
        """KL(self || other), summed over the last axis."""
        return kl_normals(*self, *other)

    def kl_standard(self) -> Tensor:
        """KL(self || N(0, 1)), summed over the last axis."""
        return kl_standard_normal(*self)


class Rows(NamedTuple):
    """A batch with its gaps filled, and masks of what was measured.

    Attributes
    ----------
    x_ng, x2_ng
        Profiles before and after; where nothing was measured afterwards, the one before again.
    pair_n
        Whether it was.
    y_n, known_n
        Responses, 0 where unknown, and whether they are known.
    """

    x_ng: Tensor
    x2_ng: Tensor
    pair_n: Tensor
    y_n: Tensor
    known_n: Tensor

    @classmethod
    def of(cls, batch: Batch) -> Rows:
        x_ng = batch.x_ng
        nothing_n = x_ng.new_full((len(x_ng),), torch.nan)
        x2_ng = batch.tensors.get("x2_ng", nothing_n[:, None].expand_as(x_ng))
        y_n = batch.tensors.get("y_n", nothing_n)
        pair_n, known_n = ~x2_ng.isnan().any(1), ~y_n.isnan()
        filled_ng = x2_ng.where(pair_n[:, None], x_ng)
        return cls(x_ng, filled_ng, pair_n, y_n.where(known_n, y_n.new_zeros(())), known_n)


@dataclass(frozen=True)
class PairedConfig:
    """Settings that the models of treated samples share; the defaults are the paper's.

    Parameters
    ----------
    latent_dim
        Number of latent features.
    encoder_dims
        Features of the hidden layers of q(z|x), from the genes inwards.
    decoder_dims
        Features of the hidden layers of p(x|z).
    draws
        Latent draws per sample and step, over which the bound is averaged.
    free_bits
        Nats below which a sample's KL term costs nothing (Kingma et al. 2016).
    noise
        Standard deviation of the noise added to the encoder's input in training.
    weight_decay
        Adam's L2 penalty.
    """

    latent_dim: PositiveInt = 100
    encoder_dims: tuple[PositiveInt, ...] = (800,)
    decoder_dims: tuple[PositiveInt, ...] = (600,)
    draws: PositiveInt = 2
    free_bits: NonNegativeFloat = 2.0
    noise: NonNegativeFloat = 0.01
    weight_decay: NonNegativeFloat = 0.05


def elu_mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers with ELU between them and no batch normalisation."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes[:-1]):
        layers += [nn.Linear(n_in, n_out), nn.ELU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


class NormalNet(nn.Module):
    """A network that puts out a `Normal`."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.layers = elu_mlp([*sizes[:-1], 2 * sizes[-1]])

    def forward(self, x: Tensor) -> Normal:
        mean, logvar = self.layers(x).chunk(2, dim=-1)
        return Normal(mean, (logvar - LOGVAR_OFFSET).clamp(-10, 10))


class ProfileNet(nn.Module):
    """p(x|z): a mean and a standard deviation for every gene and sample."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.hidden = (
            nn.Sequential(*elu_mlp(sizes[:-1]), nn.ELU()) if sizes[2:] else nn.Sequential()
        )
        self.mean = nn.Sequential(nn.Linear(sizes[-2], sizes[-1]))
        self.raw_sd = nn.Linear(sizes[-2], sizes[-1])

    def nll(self, z: Tensor, x_ng: Tensor) -> Tensor:
        """-log p(x|z), summed over genes."""
        h = self.hidden(z)
        sd = F.softplus(self.raw_sd(h)) + LEAST_SD
        return gaussian_nll(self.mean(h), sd.square(), x_ng)

    def forward(self, z: Tensor) -> Tensor:
        mean: Tensor = self.mean(self.hidden(z))
        return mean


class Perturbation(nn.Module):
    """p(z2|z1): ``z2 = z1 + W z1 + V c + b + noise``, the identity to begin with.

    `c` are conditions such as the dose; the paper has none.
    """

    def __init__(self, k: int, n_conditions: int) -> None:
        super().__init__()
        self.shift = nn.Linear(k + n_conditions, k)
        self.logvar = nn.Linear(k, k)
        for parameter in self.shift.parameters():
            nn.init.uniform_(parameter, -1e-4, 1e-4)

    def forward(self, z1: Tensor, c_nc: Tensor) -> Normal:
        given = torch.cat([z1, c_nc.expand(*z1.shape[:-1], -1)], -1)
        logvar = (self.logvar(z1) - LOGVAR_OFFSET).clamp(-10, 10)
        return Normal(z1 + self.shift(given), logvar)


class Paired(Model):
    """An encoder q(z|x), the same before and after treatment, and a decoder p(x|z).

    Beside ``x_ng``, batches may carry ``x2_ng`` (the profiles after treatment), ``y_n`` (the
    responses) and ``c_nc`` (covariates, one-hot). A row of NaN stands for "not measured".
    """

    training_defaults = Training(
        epochs=300, batch_size=150, learning_rate=5e-4, patience=15, min_epochs=50
    )
    frequency_c: Tensor

    def __init__(self, n_vars: int, config: Any, *, beside_genes: int = 0) -> None:
        super().__init__(n_vars, config)
        k = config.latent_dim
        self.encoder = NormalNet([n_vars + beside_genes, *config.encoder_dims, k])
        self.decoder = ProfileNet([k + beside_genes, *config.decoder_dims, n_vars])
        n_covariates = sum(map(len, self.config.categories))
        self.register_buffer("frequency_c", torch.zeros(n_covariates))

    def encoded(self, batch: Batch) -> tuple[Rows, Normal, Tensor]:
        """The rows, q(z1|x1) repeated for every draw, and the draws."""
        rows = Rows.of(batch)
        q1 = self.encoder(self.blurred(rows.x_ng)).times(self.config.draws)
        return rows, q1, q1.draw()

    @abstractmethod
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Named parts of what is minimised."""

    @abstractmethod
    def predict(self, batch: Batch, *, identity: bool = False) -> dict[str, Tensor]:
        """What follows from the profile before treatment alone.

        With ``identity=True`` the treatment is taken to change nothing: an ablation.
        """

    @property
    def covariates(self) -> Mapping[str, tuple[str, ...]]:
        return dict(zip(self.config.covariates, self.config.categories, strict=True))

    def solve(self, train: Batch) -> None:
        """Start at the mean profile; note how frequent the covariates' categories are."""
        rows = Rows.of(train)
        start_at(self.decoder.mean, torch.cat([rows.x_ng, rows.x2_ng[rows.pair_n]]).mean(0))
        if "c_nc" in train.tensors:
            self.frequency_c.copy_(train.tensors["c_nc"].nanmean(0))

    def known(self, batch: Batch, n: int) -> Tensor:
        """Covariates of `n` rows, unknown ones at their training frequencies, (n, c)."""
        typical_nc = self.frequency_c.expand(n, -1)
        given_nc = batch.tensors.get("c_nc")
        return typical_nc if given_nc is None else typical_nc.where(given_nc.isnan(), given_nc)

    def blurred(self, x_ng: Tensor) -> Tensor:
        """The encoder's input, with noise while training."""
        if not self.training:
            return x_ng
        noise: float = self.config.noise
        return x_ng + noise * draws.noise_like(x_ng)

    def steps(self) -> list[Step]:
        return [Step("vae", list(self.parameters()), self.loss, optimizer=self._adam)]

    def _adam(self, params: Sequence[nn.Parameter], rate: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(params, lr=rate, weight_decay=self.config.weight_decay, fused=True)

    def embed(self, x_ng: Tensor) -> Tensor:
        """Mean of q(z1|x1)."""
        mean_nk: Tensor = self.encoder(x_ng).mean
        return mean_nk

    def decode(self, z_nk: Tensor) -> Tensor:
        profile_ng: Tensor = self.decoder(z_nk)
        return profile_ng

    def weights(self) -> Tensor:
        """Product of the layers of the decoder's mean, which ignores the ELU between them."""
        layers = [*self.decoder.hidden, *self.decoder.mean]
        return product_of_weights(layers)[: self.config.latent_dim]

    def criterion(self, batch: Batch) -> dict[str, Tensor]:
        """Minus the sum of how well profiles before and after and responses are predicted."""
        rows, found = Rows.of(batch), self.predict(batch)
        parts = {"x1_correlation": correlation(found["before_ng"], rows.x_ng)}
        if "after_ng" in found and rows.pair_n.any():
            after_ng, x2_ng = found["after_ng"][rows.pair_n], rows.x2_ng[rows.pair_n]
            parts["x2_correlation"] = correlation(after_ng, x2_ng)
        if "response_n" in found:
            y_n, response_n = rows.y_n[rows.known_n], found["response_n"][rows.known_n]
            parts |= self.agreement(response_n, y_n)
        return {"criterion": -torch.stack(list(parts.values())).sum(), **parts}

    def agreement(self, response_n: Tensor, y_n: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """How well predicted responses agree with known ones; nothing for models without."""
        return {}


def floored(kl: Tensor, free_bits: float) -> Tensor:
    """Free bits: smaller values cost as much and have no gradient."""
    return kl.clamp(min=free_bits)


def mean_where(value_n: Tensor, mask_n: Tensor) -> Tensor:
    """Mean over the rows of the mask, of all processes' rows; 0 where there are none."""
    n = distributed.total(value_n.new_tensor(float(len(value_n))))
    share = distributed.total(mask_n.to(value_n.dtype).sum()) / n
    return (value_n * mask_n).mean() / share.clamp(min=1 / n)


def correlation(a_ng: Tensor, b_ng: Tensor) -> Tensor:
    """Mean over rows of the Pearson correlation."""
    a, b = (x - x.mean(1, keepdim=True) for x in (a_ng, b_ng))
    scale = (a.square().sum(1) * b.square().sum(1)).sqrt().clamp(min=1e-12)
    return ((a * b).sum(1) / scale).mean()


def ranking(score_n: Tensor, true_n: Tensor) -> dict[str, Tensor]:
    """Area under the ROC curve and average precision; nothing if there is one class only."""
    positive, negative = score_n[true_n == 1], score_n[true_n == 0]
    if not (len(positive) and len(negative)):
        return {}
    against = positive[:, None] - negative
    auroc = ((against > 0).to(score_n) + 0.5 * (against == 0).to(score_n)).mean()
    above = (positive[:, None] <= positive).sum(1).to(score_n)
    precision = above / (above + (positive[:, None] <= negative).sum(1))
    return {"auroc": auroc, "auprc": precision.mean()}
