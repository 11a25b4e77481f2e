"""AnoGAN: anomalies are what a GAN of normal samples cannot make from any code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor

from tybalt_like.models.base import Batch, Training
from tybalt_like.models.networks.adversarial import SearchConfig
from tybalt_like.models.networks.gan_detector import GANDetector, GANDetectorConfig
from tybalt_like.models.networks.latent_search import in_blocks


@dataclass(frozen=True)
class AnoGANConfig(GANDetectorConfig, SearchConfig):
    """Settings of `AnoGAN`, and:

    Parameters
    ----------
    start
        ``"encoder"`` trains an encoder with the GAN, as f-AnoGAN does, and begins at its code;
        further starts are those of ``"prior"``.
    feature_weight
        Weight lambda of the critic's features in the search and in the score; .1 in the paper.
    """

    start: Literal["prior", "nearest", "encoder"] = "prior"  # type: ignore[assignment]
    search_steps: NonNegativeInt = 500
    feature_weight: Annotated[float, Field(ge=0, le=1)] = 0.1


class AnoGAN(GANDetector, name="anogan", title="AnoGAN"):
    """The code of a sample is searched for by gradient descent, through a frozen GAN.

    Loss: that of the GAN; of a code, ``(1 - lambda) |x - G(z)|_1 + lambda |f(x) - f(G(z))|_1``
    with f the critic's last layer but one.

    Score: ``anogan`` is the loss of the code that was found; its parts ``residual`` and
    ``features``.

    Every sample is searched for on its own: the result is the same to the last bit alone, in any
    batch and in any order.

    Source: Schlegl et al., IPMI 2017: lambda and 500 steps; there on a DCGAN. Training as
    `FAnoGAN`.

    Use it where a code must be the nearest one. A search of 500 steps costs about .3 s per sample
    of 5,000 genes on a processor; ``start="encoder"`` with some 30 to 50 steps a twentieth of it.
    """

    citation = (
        "AnoGAN: Schlegl T, Seeböck P, Waldstein SM, Schmidt-Erfurth U, Langs G. Unsupervised "
        "anomaly detection with generative adversarial networks to guide marker discovery. "
        "IPMI (2017)."
    )
    Config = AnoGANConfig
    training_defaults = Training(epochs=100, batch_size=64, learning_rate=5e-4, patience=None)

    def __init__(self, n_vars: int, config: AnoGANConfig) -> None:
        super().__init__(n_vars, config, encoded=config.start == "encoder")

    def starts(self, x_ng: Tensor) -> Tensor:
        """Where the search begins, (n, s, k), in single precision."""
        if self.encoder is None:
            return self.gan.starts(x_ng, self.config)
        start_nsk = in_blocks(self.gan.single(self.encoder), self.gan.framed(x_ng)).unsqueeze(1)
        if self.config.restarts == 1:
            return start_nsk
        further_nsk = self.gan.starts(x_ng, self.config)[:, :-1]
        return torch.cat([start_nsk, further_nsk], 1)

    @torch.no_grad()
    def embed(self, x_ng: Tensor) -> Tensor:
        return self.gan.nearest_codes(
            x_ng,
            self.config,
            start_nsk=self.starts(x_ng),
            feature_weight=self.config.feature_weight,
        )

    def score(self, batch: Batch) -> dict[str, Tensor]:
        z_nk, decoded_ng = self.infer(batch)
        residual_ng, features_nf = self.gan.residual_parts(batch.x_ng, z_nk)
        residual_n, features_n = residual_ng.abs().sum(1), features_nf.abs().sum(1)
        weight = self.config.feature_weight
        return {
            "reconstruction": (batch.x_ng - decoded_ng).square().mean(1),
            "anogan": (1 - weight) * residual_n + weight * features_n,
            "residual": residual_n,
            "features": features_n,
        }
