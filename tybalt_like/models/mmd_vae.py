"""MMD-VAE and InfoVAE: the codes as a whole, not each posterior, are drawn to the prior."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import NonNegativeFloat
from torch import Tensor

from tybalt_like.core.distributed import all_rows
from tybalt_like.core.draws import noise_like
from tybalt_like.models.beta_vae import BetaVAE, BetaVAEConfig
from tybalt_like.models.networks.losses import kl_standard_normal, mmd


@dataclass(frozen=True)
class MMDVAEConfig(BetaVAEConfig):
    """Settings of `MMDVAE`: those of `BetaVAEConfig`, and

    Parameters
    ----------
    alpha
        Weight of the mutual information between sample and code. 1 is the MMD-VAE, without a
        KL term; 0 with ``lambda_mmd=1`` is the plain VAE; between them lies InfoVAE.
    lambda_mmd
        Weight of the distance between the codes and the prior. 10 to 1,000 gave much the same
        reconstructions of breast tumours; the paper takes 1,000 on images.
    """

    alpha: float = 1.0
    lambda_mmd: NonNegativeFloat = 100.0


class MMDVAE(BetaVAE, name="mmd_vae"):
    """Keeps the codes informative: what is held to N(0, 1) is their distribution over samples.

    Loss: ``-log p(x|z)  +  (1 - alpha) KL(q(z|x) || N(0, 1))  +  (alpha + lambda - 1) MMD``, the
    last between the codes of a mini-batch and as many draws from N(0, 1).

    Source: Zhao, Song & Ermon, AAAI 2019; kernel of Tolstikhin et al., ICLR 2018.

    Use it when the KL term switches off features that matter (posterior collapse).
    """

    citation = (
        "MMD-VAE: Zhao S, Song J, Ermon S. InfoVAE: balancing learning and inference in "
        "variational autoencoders. AAAI 33:5885-5892 (2019)."
    )
    Config = MMDVAEConfig

    def penalty(self, mean_nk: Tensor, logvar_nk: Tensor, z_nk: Tensor) -> dict[str, Tensor]:
        alpha, weight = self.config.alpha, self.config.lambda_mmd
        kl = kl_standard_normal(mean_nk, logvar_nk).mean()
        distance = mmd(all_rows(z_nk), all_rows(noise_like(z_nk)))
        total = (1 - alpha) * kl + (alpha + weight - 1) * distance
        return {"penalty": total, "kl": kl, "mmd": distance}
