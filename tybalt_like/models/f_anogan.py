"""f-AnoGAN: anomalies are what a GAN of normal samples cannot make from an encoder's code."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tybalt_like.models.base import Batch, Training
from tybalt_like.models.networks.gan_detector import GANDetector, GANDetectorConfig


@dataclass(frozen=True)
class FAnoGANConfig(GANDetectorConfig):
    """Settings of `FAnoGAN`."""


class FAnoGAN(GANDetector, name="f_anogan", title="f-AnoGAN"):
    """An encoder finds a sample's code in a GAN at once, where AnoGAN searches.

    Loss: that of the GAN; encoder ``MSE(x, G(E(x)))  +  kappa MSE(f(x), f(G(E(x))))``, means over
    genes and over features (called izi_f).

    Score: ``f_anogan`` is that sum for the sample, on the scale of the networks; its parts
    ``residual`` and ``features``, and ``latent_distance``, ``MSE(E(x), E(G(E(x))))``.

    Source: Schlegl et al., Medical Image Analysis 2019 (tSchlegl/f-AnoGAN). There the encoder is
    trained when the GAN is done; here in every iteration, on averaged weights. The learning rate
    is that of `WGANGP`, where the reason stands.

    Features stay as the critic gives them. Divided by their standard deviation over training
    images, they made the score worse: trained on the 4s of 10,000 digits (DCGAN, 40 epochs), AUROC
    of the digits 0 to 3 fell from 1.00, .84, 1.00, 1.00 to .97, .66, .98, .97.

    Use it for scores at once and a latent space beside them. On profiles, PCA reconstructs better
    from some hundred samples.
    """

    citation = (
        "f-AnoGAN: Schlegl T, Seeböck P, Waldstein SM, Langs G, Schmidt-Erfurth U. f-AnoGAN: "
        "fast unsupervised anomaly detection with generative adversarial networks. Medical "
        "Image Analysis 54:30-44 (2019)."
    )
    Config = FAnoGANConfig
    training_defaults = Training(epochs=100, batch_size=64, learning_rate=5e-4, patience=None)

    def __init__(self, n_vars: int, config: FAnoGANConfig) -> None:
        super().__init__(n_vars, config, encoded=True)

    def embed(self, x_ng: Tensor) -> Tensor:
        return self.encode(x_ng)

    def score(self, batch: Batch) -> dict[str, Tensor]:
        z_nk, decoded_ng = self.infer(batch)
        residual_ng, features_nf = self.gan.residual_parts(batch.x_ng, z_nk)
        residual_n, features_n = residual_ng.square().mean(1), features_nf.square().mean(1)
        return {
            "reconstruction": (batch.x_ng - decoded_ng).square().mean(1),
            "f_anogan": residual_n + self.config.kappa * features_n,
            "residual": residual_n,
            "features": features_n,
            "latent_distance": (z_nk - self.encode(decoded_ng)).square().mean(1),
        }
