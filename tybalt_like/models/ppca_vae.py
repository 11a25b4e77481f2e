"""PPCA-VAE: probabilistic PCA, held-out noise and all, and a non-linear branch on probation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from tybalt_like.models.base import Batch, Step, Training
from tybalt_like.models.networks.blocks import Standardise, glorot_linear
from tybalt_like.models.networks.losses import gaussian_nll
from tybalt_like.models.networks.rotation import varimax
from tybalt_like.models.networks.variational import Variational
from tybalt_like.models.pca import PCA, PCAConfig

FOLDS = 5
"""Of the training rows, each of which is measured by axes that were found without it."""
LEAST_NOISE = 0.01
"""Variance of a gene's noise, at least, in shares of the common one."""
LEAST_LEFT = 0.1
"""Share of a gene that axes leave, at least, where its noise is read off residuals."""
LEAST_SIGNAL = 1e-3
"""Share of the variance along an axis that is signal, at least."""
SURE = 2.0
"""Standard errors by which held-out samples must be likelier with the branch than without."""


@dataclass(frozen=True)
class PPCAVAEConfig:
    """Settings of `PPCAVAE`.

    Parameters
    ----------
    latent_dim
        Number of latent features; 100 as in Tybalt. Axes along which held-out training rows vary
        no more than by noise (and one standard error) are left out, except the first; their
        features are 0.
    hidden_dim
        Features of the hidden layers of the non-linear branch.
    noise_shrinkage
        How far the log-variance of each gene's noise is drawn to the common one: 0 is factor
        analysis, 1 probabilistic PCA. Held-out profiles are likeliest with 0; labels are read and
        anomalies found better, if little, with more (five cohorts, and the half ``select`` of the
        detectors' tasks).
    """

    latent_dim: PositiveInt = 100
    hidden_dim: PositiveInt = 128
    noise_shrinkage: float = 0.75


class PPCAVAE(Variational, name="ppca_vae", title="PPCA-VAE"):
    """A variational autoencoder that starts at probabilistic PCA and leaves it only for gain.

    Genes are standardised. Decoder: ``mean = u W + gate x f(u)``; encoder: the posterior of the
    linear model, which is exact, ``+ gate x h``; f and h have one hidden layer each and are
    exactly 0 at the start. W lies along the principal axes of the training rows. How far profiles
    vary along each axis and each gene beyond them, signal and noise, is measured on training rows
    held out one fifth at a time, because the axes fit the rows that they were found on too well.
    Only the branch is trained; the gate is shut for good unless validation samples are likelier
    with it than without, by two standard errors, and reconstructed no worse.

    Latent features are coordinates in an orthonormal basis of the space that W spans, turned by
    varimax so that each rests on few genes: distances between codes are distances between
    (standardised) profiles. Scaled to the unit variance of the prior, nearest neighbours would go
    by the last axes as much as by the first. Without the branch, codes are the likeliest ones
    (Bartlett's factor scores), not posterior means, which are drawn to 0: so profiles are
    reconstructed as by PCA. With it they are posterior means.

    Loss: ``-log N(x | mean, noise)  +  KL(q(u|x) || N(0, 1))``.

    Source: Tipping & Bishop, J R Stat Soc B 1999; Bartlett, Br J Psychol 1937; Rohe & Zeng, J R
    Stat Soc B 2023 (varimax); Kingma & Welling, ICLR 2014.

    Use it first. It reconstructs as PCA does, gives the likelihood of a profile, and becomes
    non-linear where the samples suffice to show that this is right.
    """

    citation = (
        "PPCA-VAE: probabilistic PCA, Tipping ME, Bishop CM. Probabilistic principal component "
        "analysis. Journal of the Royal Statistical Society B 61:611-622 (1999); varimax, Rohe K, "
        "Zeng M. Vintage factor analysis with varimax performs statistical inference. Journal of "
        "the Royal Statistical Society B 85:1037-1060 (2023); variational autoencoder, Kingma DP, "
        "Welling M. Auto-encoding variational Bayes. ICLR (2014)."
    )
    Config = PPCAVAEConfig
    training_defaults = Training(epochs=300, batch_size=50, learning_rate=1e-3, min_epochs=0)
    starts_solved = True
    likelihood = "gaussian"
    loadings_kg: Tensor
    noise_g: Tensor
    turn_kk: Tensor
    turn_back_kk: Tensor
    gate: Tensor

    def __init__(self, n_vars: int, config: PPCAVAEConfig) -> None:
        super().__init__(n_vars, config)
        k, hidden = config.latent_dim, config.hidden_dim
        self.standardise = Standardise(n_vars)
        self.register_buffer("loadings_kg", torch.zeros(k, n_vars))
        self.register_buffer("noise_g", torch.ones(n_vars))
        self.register_buffer("turn_kk", torch.zeros(k, k))
        self.register_buffer("turn_back_kk", torch.zeros(k, k))
        self.register_buffer("gate", torch.zeros(()))
        self.encoder_branch = silent_at_first(k, hidden, 2 * k)
        self.decoder_branch = silent_at_first(k, hidden, n_vars)

    def solve(self, train: Batch) -> None:
        """The linear model, from all training rows, with the gate open for the time of trial."""
        self.standardise.fit(train.x_ng)
        x_ng = self.standardise(train.x_ng).cpu().double()
        n = len(x_ng)
        k = min(self.config.latent_dim, n - -(-n // min(FOLDS, n)) - 1, self.n_vars)
        axes_kg, (variance_k, noise_g) = principal_axes(x_ng, k), held_out(x_ng, k)
        error_k = variance_k * (2 / n) ** 0.5
        kept_k = variance_k - (axes_kg.square() * noise_g).sum(1) > error_k
        kept_k[0] = True
        noise_g = shrunk(noise_g, self.config.noise_shrinkage)
        signal_k = variance_k - (axes_kg.square() * noise_g).sum(1)
        signal_k = signal_k.maximum(LEAST_SIGNAL * variance_k)
        axes_kg, sd_k1 = axes_kg[kept_k], signal_k[kept_k].sqrt()[:, None]
        # Of all axes with unit prior, those along which the posterior is a product.
        precision_kk = sd_k1 * (axes_kg / noise_g) @ axes_kg.T * sd_k1.T
        canonical_kk = torch.linalg.eigh(precision_kk).eigenvectors.flip(1).T
        basis_kk = varimax(axes_kg.T)
        variance_k = (sd_k1 * basis_kk).square().sum(0)
        basis_kk = basis_kk[:, variance_k.argsort(descending=True)]
        weight_kg = basis_kk.T @ axes_kg
        largest_k1 = weight_kg.gather(1, weight_kg.abs().argmax(1, keepdim=True))
        basis_kk = basis_kk * largest_k1.sign().T
        m = len(axes_kg)
        self.loadings_kg.zero_()[:m] = canonical_kk @ (sd_k1 * axes_kg)
        self.turn_kk.zero_()[:m, :m] = canonical_kk @ (sd_k1 * basis_kk)
        self.turn_back_kk.zero_()[:m, :m] = (basis_kk / sd_k1).T @ canonical_kk.T
        self.noise_g.copy_(noise_g)
        self.gate.fill_(1.0)

    def settle(self, train: Batch, validation: Batch | None) -> None:  # noqa: ARG002
        """Keep the branch if validation samples are surely likelier with it, and reconstructed no
        worse."""
        kept = False
        if validation is not None and len(validation.x_ng) > 1:
            surprise, error = [], []
            for gate in (0.0, 1.0):
                self.gate.fill_(gate)
                apart_ng = self.infer(validation)[1] - validation.x_ng
                error.append((apart_ng / self.standardise.sd_g).square().mean())
                surprise.append(self.score(validation)["negative_elbo"])
            gain_n = surprise[0] - surprise[1]
            likelier = gain_n.mean() > SURE * gain_n.std() / len(gain_n) ** 0.5
            kept = bool(likelier and error[1] <= error[0])
        self.gate.fill_(float(kept))

    def _open(self) -> Tensor | float:
        return 1.0 if self.training else self.gate

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(u|x)."""
        weighed_nk, information_k = self._seen(batch.x_ng)
        mean_nk = weighed_nk / (1 + information_k)
        shift_nk, log_ratio_nk = self._branch(mean_nk)
        return mean_nk + shift_nk, log_ratio_nk - information_k.log1p()

    def _seen(self, x_ng: Tensor) -> tuple[Tensor, Tensor]:
        """What profiles say of u, in its canonical axes: ``W x / noise`` (n, k), and how much,
        ``W W' / noise`` (k,). The posterior is N of their ratio, 1 added to the latter."""
        weighed_kg = self.loadings_kg / self.noise_g
        return self.standardise(x_ng) @ weighed_kg.T, (weighed_kg * self.loadings_kg).sum(1)

    def _branch(self, mean_nk: Tensor) -> tuple[Tensor, Tensor]:
        """What the encoder's branch adds to the posterior's mean and log-variance."""
        shift_nk, log_ratio_nk = (self._open() * self.encoder_branch(mean_nk)).chunk(2, dim=1)
        return shift_nk, log_ratio_nk.clamp(-10, 10)

    def profile(self, u_nk: Tensor) -> Tensor:
        """Expected profile, genes standardised."""
        branch_ng: Tensor = self.decoder_branch(u_nk)
        return u_nk @ self.loadings_kg + self._open() * branch_ng

    def nll(self, batch: Batch, z_nk: Tensor) -> Tensor:
        constant = self.standardise.sd_g.log().sum()
        x_ng = self.standardise(batch.x_ng)
        return gaussian_nll(self.profile(z_nk), self.noise_g, x_ng) + constant

    def beta(self, epoch: int | None) -> float:  # noqa: ARG002
        return 1.0

    def steps(self) -> list[Step]:
        branch = [*self.encoder_branch.parameters(), *self.decoder_branch.parameters()]
        return [Step("vae", branch, self.loss, replays=True)]

    def embed(self, x_ng: Tensor) -> Tensor:
        weighed_nk, information_k = self._seen(x_ng)
        prior = self._open()
        mean_nk = weighed_nk / (prior + information_k).clamp(min=1e-12)
        return self.coordinates(mean_nk + self._branch(mean_nk)[0])

    def coordinates(self, z_nk: Tensor) -> Tensor:
        return z_nk @ self.turn_kk

    def marginals(self, batch: Batch) -> tuple[Tensor, Tensor]:
        mean_nk, logvar_nk = self.encode(batch)
        prior_k = self.turn_kk.square().sum(0).clamp(min=1e-12)
        variance_nk = logvar_nk.exp() @ self.turn_kk.square() / prior_k
        return mean_nk @ self.turn_kk / prior_k.sqrt(), variance_nk.clamp(min=1e-12).log()

    def decode(self, z_nk: Tensor) -> Tensor:
        profile_ng = self.profile(z_nk @ self.turn_back_kk)
        return profile_ng * self.standardise.sd_g + self.standardise.mean_g

    def weights(self) -> Tensor:
        """Of the linear part, on the scale of the input."""
        return self.turn_back_kk @ self.loadings_kg * self.standardise.sd_g

    def _facts(self) -> dict[str, object]:
        used = int((self.turn_kk != 0).any(0).sum())
        branch = "kept" if self.gate else "left out: held-out samples are not surely likelier"
        return super()._facts() | {"features that vary": used, "non-linear branch": branch}


def silent_at_first(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    """One hidden layer, and an output that is exactly 0 before training."""
    last = glorot_linear(hidden, n_out)
    nn.init.zeros_(last.weight)
    return nn.Sequential(glorot_linear(n_in, hidden), nn.SiLU(), last)


def principal_axes(x_ng: Tensor, k: int) -> Tensor:
    """The first k principal axes of centred rows, (k, g)."""
    pca = PCA(x_ng.shape[1], PCAConfig(latent_dim=k)).double()
    pca.solve(Batch({"x_ng": x_ng}))
    return pca.components_kg


def held_out(x_ng: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Variance along each of k principal axes (k,), not increasing, and of each gene's noise (g,),
    of rows that took no part in finding the axes.

    Of noise that is alike in all genes, a residual holds what the axes leave of the gene.

    Source: Bartz, arXiv:1611.00798 (2016), cross-validated eigenvalues made monotone.
    """
    from scipy.optimize import isotonic_regression

    fold_n = torch.arange(len(x_ng)) % min(FOLDS, len(x_ng))
    variance_k, noise_g = x_ng.new_zeros(k), x_ng.new_zeros(x_ng.shape[1])
    for fold in range(int(fold_n.max()) + 1):
        mean_g = x_ng[fold_n != fold].mean(0)
        axes_kg = principal_axes(x_ng[fold_n != fold] - mean_g, k)
        held_mg = x_ng[fold_n == fold] - mean_g
        code_mk = held_mg @ axes_kg.T
        variance_k += code_mk.square().sum(0)
        left_g = (1 - axes_kg.square().sum(0)).clamp(min=LEAST_LEFT)
        noise_g += (held_mg - code_mk @ axes_kg).square().sum(0) / left_g
    falling = isotonic_regression((variance_k / len(x_ng)).numpy(), increasing=False).x
    return torch.from_numpy(falling.copy()), noise_g / len(x_ng)


def shrunk(noise_g: Tensor, shrinkage: float) -> Tensor:
    """Variances drawn to their mean on the log scale; squared residuals are still, on average,
    as large as they say."""
    common = noise_g.mean()
    noise_g = noise_g.clamp(min=LEAST_NOISE * float(common)).clamp(min=1e-12)
    drawn_g = noise_g ** (1 - shrinkage) * common.clamp(min=1e-12) ** shrinkage
    return drawn_g * (noise_g / drawn_g).mean()
