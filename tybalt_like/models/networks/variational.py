"""What variational autoencoders share: everything but networks, likelihood and penalty."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from tybalt_like.models.base import Batch, Model, Step
from tybalt_like.models.networks.blocks import sample_normal
from tybalt_like.models.networks.losses import (
    importance_weighted_nll,
    kl_standard_normal,
    posterior_values,
)


class Variational(Model):
    """A posterior q(z|x), a likelihood p(x|z), and a penalty that keeps the posteriors in order.

    Loss: ``mean over samples of -log p(x|z), z ~ q(z|x)  +  beta(epoch) x penalty``; one draw of
    z per sample and step. The penalty is KL(q(z|x) || N(0, 1)) unless a model overrides it.

    Source: Kingma & Welling, ICLR 2014.
    """

    score_titles: ClassVar[Mapping[str, str]] = {"kl": "KL", "negative_elbo": "negative ELBO"}

    @abstractmethod
    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), (n, k) each."""

    @abstractmethod
    def nll(self, batch: Batch, z_nk: Tensor) -> Tensor:
        """-log p(x|z), (n,), summed over genes."""

    @abstractmethod
    def beta(self, epoch: int | None) -> float:
        """Weight of the penalty in that epoch; None is the final value."""

    def penalty(self, mean_nk: Tensor, logvar_nk: Tensor, z_nk: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Named parts of the penalty; ``"penalty"`` itself is what beta weighs."""
        kl = kl_standard_normal(mean_nk, logvar_nk).mean()
        return {"penalty": kl, "kl": kl}

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        mean_nk, logvar_nk = self.encode(batch)
        z_nk = sample_normal(mean_nk, logvar_nk)
        reconstruction = self.nll(batch, z_nk).mean()
        parts = self.penalty(mean_nk, logvar_nk, z_nk)
        beta, penalty = self.beta(batch.epoch), parts.pop("penalty")
        # Without a weight the penalty may overflow, and 0 x inf is not a number.
        loss = reconstruction + beta * penalty if beta else reconstruction
        return {"loss": loss, "reconstruction": reconstruction, **parts, "beta": torch.tensor(beta)}

    def steps(self) -> list[Step]:
        return [Step("vae", list(self.parameters()), self.loss, replays=True)]

    def embed(self, x_ng: Tensor) -> Tensor:
        return self.coordinates(self.encode(Batch({"x_ng": x_ng}))[0])

    def coordinates(self, z_nk: Tensor) -> Tensor:
        """What `embed` gives and `decode` takes, of the latent variable whose prior is N(0, 1):
        the same, unless a model shows its latent space along other axes; always linear."""
        return z_nk

    def marginals(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the posterior of each of the `coordinates`, in standard
        deviations of its prior, (n, k) each."""
        return self.encode(batch)

    def score(self, batch: Batch) -> dict[str, Tensor]:
        """Reconstruction error; ``likelihood``: minus the expected log p(x|z); ``kl``: how far the
        posterior is from the prior; their sum, the ``negative_elbo`` with beta = 1; and a tighter
        bound, ``importance_weighted``."""
        mean_nk, logvar_nk = self.encode(batch)

        def nll(z_nk: Tensor) -> Tensor:
            return self.nll(batch, z_nk)

        nll_sn = posterior_values(nll, mean_nk, logvar_nk)
        likelihood_n = nll_sn.mean(0)
        kl_n = kl_standard_normal(mean_nk, logvar_nk)
        return super().score(batch) | {
            "likelihood": likelihood_n,
            "kl": kl_n,
            "negative_elbo": likelihood_n + kl_n,
            "importance_weighted": importance_weighted_nll(nll_sn, mean_nk, logvar_nk),
        }
