"""What generative adversarial networks share: networks, averaged weights, codes by search."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, cast

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.func import functional_call

from tybalt_like.core.draws import noise_like
from tybalt_like.core.errors import RecipeError
from tybalt_like.models.base import Batch, Model, Step
from tybalt_like.models.networks import gan_networks as networks
from tybalt_like.models.networks.average import Average
from tybalt_like.models.networks.blocks import Standardise
from tybalt_like.models.networks.growth import Growth
from tybalt_like.models.networks.image_networks import check_shape, unit_response
from tybalt_like.models.networks.latent_search import (
    POOL,
    in_blocks,
    nearest_starts,
    prior_starts,
    search,
)

Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class NetworksConfig:
    """The networks:

    Parameters
    ----------
    latent_dim
        Number of latent features.
    hidden_dims
        Features of the hidden layers for profiles, from the genes inwards, in every network.
    image_shape
        Channels, rows and columns of images, whose pixels are the n_vars values of a row; the
        networks are then convolutional. None for profiles.
    channels
        Channels next to the image; each halving of its sides doubles them. 64 in the papers.
    ema
        Scoring and decoding use a moving average of the weights, in which the past keeps this
        share at every update; 0 uses the last weights. It starts small, as
        ``(1 + t) / (10 + t)`` after t updates.
    """

    latent_dim: PositiveInt = 64
    hidden_dims: tuple[PositiveInt, ...] = (256,)
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
    channels: PositiveInt = 64
    ema: Share = 0.999


@dataclass(frozen=True)
class SearchConfig:
    """The search for the code of a sample:

    Parameters
    ----------
    start
        ``"prior"``: the same draws from N(0, 1) for every sample; ``"nearest"``: of 1,024 such
        draws those decoded nearest to the sample.
    restarts
        Starting points; the best end counts.
    search_steps
        Gradient steps from each start; 0 stays there.
    search_rates
        Learning rates, each with the step from which it holds (of AnoGAN's published settings).
    tolerance
        Early stop: a code whose loss has not fallen by this share for 20 steps goes on to the
        next rate, and ends after the last one. None spends all steps.
    """

    start: Literal["prior", "nearest"] = "nearest"
    restarts: Annotated[int, Field(ge=1, le=POOL)] = 1
    search_steps: NonNegativeInt = 100
    search_rates: tuple[tuple[NonNegativeInt, PositiveFloat], ...] = (
        (0, 1e-2),
        (200, 1e-3),
        (300, 5e-4),
    )
    tolerance: Share | None = None

    def __post_init__(self) -> None:
        steps = [step for step, _ in self.search_rates]
        if not steps or steps[0] != 0 or steps != sorted(set(steps)):
            raise RecipeError(
                "model.search_rates must be pairs of a step and a rate, with steps that rise from 0"
            )


def frozen(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network as a function through which gradients flow to its input, not to its weights."""
    weights = {name: weight.detach() for name, weight in network.named_parameters()}
    return lambda x: functional_call(network, weights, (x,))


class Adversarial(Model):
    """A generator that turns N(0, 1) into samples, and a critic that tells them from real ones.

    Inside, values are standardised per gene, or scaled from [0, 1] to [-1, 1].
    """

    def __init__(
        self,
        n_vars: int,
        config: NetworksConfig,
        *,
        norm: networks.Norm,
        unit: bool,
        critic_bias: bool,
    ) -> None:
        super().__init__(n_vars, config)
        k, hidden, shape = config.latent_dim, config.hidden_dims, config.image_shape
        if shape is not None:
            check_shape(shape, n_vars)
        self.domain = "unit" if unit or shape is not None else "real"
        self.frame = Standardise(n_vars)
        if shape is not None:
            self.generator = networks.image_generator(k, config.channels, shape)
            layers, n_features = networks.image_features(config.channels, shape, norm)
        else:
            self.generator = networks.generator(k, hidden, n_vars)
            if unit:
                self.generator.append(nn.Tanh())
            layers, n_features = networks.features(n_vars, hidden, norm)
        self.critic = networks.Critic(layers, n_features, bias=critic_bias)
        self.initialise()
        self.steady_generator = Average(self.generator, config.ema)
        self.steady_critic = Average(self.critic, config.ema)
        self.growth = None if shape is None else Growth(n_vars)

    def initialise(self) -> None:
        """Change the first weights, if the model has a rule for them."""

    def solve(self, train: Batch) -> None:
        """Fit the scale that the networks work on."""
        if self.domain == "unit":
            self.frame.mean_g.fill_(0.5)
            self.frame.sd_g.fill_(0.5)
        else:
            self.frame.fit(train.x_ng)

    @abstractmethod
    def steps(self) -> list[Step]:
        """The critic's step and the generator's."""

    def noise(self, x_ng: Tensor) -> Tensor:
        """As many codes from N(0, 1) as there are rows."""
        return noise_like(x_ng.new_empty(len(x_ng), self.config.latent_dim))

    def made(self, batch: Batch) -> Tensor:
        """As many generated samples as there are rows, on the inner scale."""
        made_ng: Tensor = self.generator(self.noise(batch.x_ng))
        return made_ng

    def criticised(self, made_ng: Tensor) -> Tensor:
        """The critic's values of generated samples, differentiable in the generator alone."""
        value_n: Tensor = frozen(self.critic)(made_ng)
        return value_n

    def average_critic(self) -> None:
        self.steady_critic.update(self.critic)

    def average_generator(self) -> None:
        self.steady_generator.update(self.generator)
        if self.growth is not None:
            n_updates = int(self.steady_generator.n_updates)
            self.growth.note(n_updates, self.decode, self.a_code)

    @property
    def a_code(self) -> Tensor:
        """A code of the type that the networks take."""
        return self.frame.mean_g.new_zeros(self.config.latent_dim)

    def grown(self) -> dict[int, Tensor]:
        """Images of the same codes, (n, g), 0 to 255, by the updates after which they were made,
        up to now; empty for profiles."""
        if self.growth is None:
            return {}
        n_updates = int(self.steady_generator.n_updates)
        return self.growth.until(n_updates) | {n_updates: self.growth.now(self.decode, self.a_code)}

    @property
    def features(self) -> nn.Module:
        """The averaged critic without its last layer."""
        return cast(networks.Critic, self.steady_critic.network).features

    def residual_parts(self, x_ng: Tensor, z_nk: Tensor) -> tuple[Tensor, Tensor]:
        """Samples minus generated ones on the inner scale (n, g), and the same of the critic's
        features (n, f)."""
        framed_ng, made_ng = self.frame(x_ng), self.steady_generator(z_nk)
        features = self.features
        return framed_ng - made_ng, features(framed_ng) - features(made_ng)

    def nearest_codes(
        self, x_ng: Tensor, how: SearchConfig, *, start_nsk: Tensor, feature_weight: float = 0.0
    ) -> Tensor:
        """The codes that `latent_search.search` finds, (n, k).

        Loss of a code: ``(1 - w) |x - G(z)|_1 + w |f(x) - f(G(z))|_1`` with w = `feature_weight`
        and f the last layer of the critic but one. In single precision whatever that of `x_ng`.
        """
        make = self.single(self.steady_generator)
        features = self.single(self.features)
        real_ng = self.framed(x_ng)
        real_nf = in_blocks(features, real_ng) if feature_weight else None

        def loss(z_bk: Tensor, row_b: Tensor) -> Tensor:
            made_bg = make(z_bk)
            residual_b: Tensor = (real_ng[row_b] - made_bg).abs().sum(1)
            if real_nf is None:
                return residual_b
            matched_b: Tensor = (real_nf[row_b] - features(made_bg)).abs().sum(1)
            return (1 - feature_weight) * residual_b + feature_weight * matched_b

        z_nk = search(
            loss,
            start_nsk,
            steps=how.search_steps,
            rates=how.search_rates,
            tolerance=how.tolerance,
        )
        return z_nk.to(x_ng)

    def starts(self, x_ng: Tensor, how: SearchConfig) -> Tensor:
        """Where the search begins, (n, s, k), in single precision."""
        like = self.a_code.float()
        if how.start == "nearest":
            make = self.single(self.steady_generator)
            return nearest_starts(make, self.framed(x_ng), how.restarts, like)
        return prior_starts(len(x_ng), how.restarts, like)

    def framed(self, x_ng: Tensor) -> Tensor:
        """Samples on the inner scale in single precision."""
        framed_ng: Tensor = self.frame(x_ng)
        return framed_ng.float()

    @staticmethod
    def single(network: nn.Module) -> nn.Module:
        """The network in single precision; itself if it has it."""
        if next(network.parameters()).dtype == torch.float32:
            return network
        return copy.deepcopy(network).float()

    def embed(self, x_ng: Tensor) -> Tensor:
        """The code whose decoded profile is nearest, by `nearest_codes`."""
        how = self.config
        return self.nearest_codes(x_ng, how, start_nsk=self.starts(x_ng, how))

    def decode(self, z_nk: Tensor) -> Tensor:
        made_ng: Tensor = self.steady_generator(z_nk)
        return made_ng * self.frame.sd_g + self.frame.mean_g

    def weights(self) -> Tensor:
        one_kk = torch.eye(self.config.latent_dim).to(self.frame.mean_g)
        return unit_response(self.decode, one_kk)

    def score(self, batch: Batch) -> dict[str, Tensor]:
        """Reconstruction error, and what the critic holds against the sample."""
        value_n = self.steady_critic(self.frame(batch.x_ng))
        return super().score(batch) | {"critic": -value_n}
