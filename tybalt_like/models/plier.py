"""PLIER: factors that lean on gene sets, and free ones beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.messages import some
from tybalt_like.core.settings import NamedFile
from tybalt_like.models.base import Batch, Model
from tybalt_like.models.networks.blocks import Standardise

SWEEPS, FREE_SWEEPS, TOLERANCE = 100, 20, 1e-3
"""Rounds at most; rounds before sets are asked; change of the features at which it ends."""
EVERY = 5
"""Rounds between two questions to the sets; and of all genes of sets, one in so many is hidden, in
every set that has it: what one set hides, no other shows."""
LEVEL = 0.05
"""False discovery rate of ties."""
RIDGE = 0.01
"""Of the regression that encodes a profile, beside features of length 1: two that are nearly the
same must not be played off against each other."""
MIXING = 0.9
"""Share of the lasso in the elastic net that ties features to sets, as in PLIER."""


@dataclass(frozen=True)
class PLIERConfig:
    """Settings of `PLIER`.

    Parameters
    ----------
    latent_dim
        Number of features, tied and free ones together.
    gene_sets
        GMT file (name, description, genes, separated by tabs; may be gzipped). Only training
        reads it.
    tied
        Share of the features that lean on sets; the others are free. 0.7 as in PLIER.
    sets
        Names of the sets; `tl.fit` takes those of the file with 5 to 500 of the genes.
    """

    latent_dim: PositiveInt = 50
    gene_sets: NamedFile | None = None
    tied: Annotated[float, Field(ge=0, le=1)] = 0.7
    sets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.gene_sets is None:
            raise RecipeError(
                "model.gene_sets is empty: name a GMT file with the sets that features should lean "
                "on"
            )


class PLIER(Model, name="plier", title="PLIER"):
    """Features that raise genes together, most of them those of one or a few gene sets.

    Genes are standardised. Every feature has weights of at least 0; for the share `tied` of the
    features these are drawn to a sparse, non-negative mixture of gene sets, and the others are
    free. A gene outside of the sets keeps its weight where the profiles ask for it, and a gene of
    the sets loses it: sets are incomplete, and made elsewhere. That a fifth of the genes are in
    sets is hidden from training. A feature is said to lean on a set only if these genes, too, have
    larger weights than those outside (rank-sum test, false discovery rate 0.05 over all ties).

    Loss: ``|x - z W|^2 + lambda1 |W - U C|^2 + lambda2 |z|^2 + elastic net(U)``; W, U >= 0, C the
    sets (sets x genes), each standardised over the genes, with an intercept; lambda2 is the last
    singular value that is kept and lambda1 half of it. Solved in turns from the principal
    components. The elastic net is as strong as leaves the share `tied` of the features a set;
    PLIER searches for that strength on a grid, and chooses sets beforehand. Profiles are encoded
    by least squares on W, where PLIER shrinks them: held-out ones are reconstructed better so.

    Source: Mao et al., Nature Methods 2019 (wgmao/PLIER); choices that it does not make are ours.

    Use it when features are to be read as known pathways, and pathways as what these samples make
    of them. It reconstructs a little less than PCA: the price of weights without a minus.
    """

    citation = (
        "PLIER: Mao W, Zaslavsky E, Hartmann BM, Sealfon SC, Chikina M. Pathway-level information "
        "extractor (PLIER) for gene expression data. Nature Methods 16:607-610 (2019)."
    )
    deterministic = True
    linear = True
    readable_axes = True
    Config = PLIERConfig
    member_sg: Tensor
    tie_ks: Tensor
    q_value_ks: Tensor
    loadings_kg: Tensor
    encoder_gk: Tensor

    def __init__(self, n_vars: int, config: PLIERConfig) -> None:
        super().__init__(n_vars, config)
        k, s = config.latent_dim, len(config.sets)
        self.standardise = Standardise(n_vars)
        self.register_buffer("member_sg", torch.zeros(s, n_vars, dtype=torch.bool))
        self.register_buffer("tie_ks", torch.zeros(k, s))
        self.register_buffer("q_value_ks", torch.ones(k, s))
        self.register_buffer("loadings_kg", torch.zeros(k, n_vars))
        self.register_buffer("encoder_gk", torch.zeros(n_vars, k))

    @property
    def sets_of_features(self) -> list[list[str]]:
        """The gene sets that each feature leans on, the strongest first; none for a free one, and
        for one whose sets its hidden genes do not confirm."""
        confirmed_ks = self.tie_ks.where(self.q_value_ks <= LEVEL, 0).cpu()
        return [
            [self.config.sets[s] for s in tie_s.argsort(descending=True) if tie_s[s] > 0]
            for tie_s in confirmed_ks
        ]

    def solve(self, train: Batch) -> None:
        self.standardise.fit(train.x_ng)
        x_ng, member_sg = self.standardise(train.x_ng).cpu().double(), self.member_sg.cpu()
        known_g = member_sg.any(0)
        hidden_sg = member_sg & known_g & (known_g.cumsum(0) % EVERY == 0)
        w_kg, tie_ks = factors(
            x_ng, _Sets(member_sg & ~hidden_sg), k=self.config.latent_dim, tied=self.config.tied
        )
        length_k1 = w_kg.norm(dim=1, keepdim=True).clamp(min=1e-12)
        w_kg, tie_ks = w_kg / length_k1, tie_ks / length_k1
        gram_kk = w_kg @ w_kg.T + RIDGE * torch.eye(len(w_kg)).double()
        encoder_gk = torch.linalg.solve(gram_kk, w_kg).T
        order = (x_ng @ encoder_gk).square().sum(0).argsort(descending=True)
        k, w_kg, tie_ks = len(w_kg), w_kg[order], tie_ks[order]
        self.loadings_kg.zero_()[:k] = w_kg
        self.encoder_gk.zero_()[:, :k] = encoder_gk[:, order]
        self.tie_ks.zero_()[:k] = tie_ks
        self.q_value_ks.fill_(1)[:k] = _confirmed(w_kg, tie_ks, member_sg, hidden_sg)

    def embed(self, x_ng: Tensor) -> Tensor:
        level_ng: Tensor = self.standardise(x_ng)
        return level_ng @ self.encoder_gk

    def decode(self, z_nk: Tensor) -> Tensor:
        return z_nk @ self.loadings_kg * self.standardise.sd_g + self.standardise.mean_g

    def weights(self) -> Tensor:
        """On the scale of the input."""
        return self.loadings_kg * self.standardise.sd_g

    def _facts(self) -> dict[str, object]:
        found = [sets[0] for sets in self.sets_of_features if sets]
        return super()._facts() | {"on gene sets": f"{len(found)} ({some(found)})"}


def factors(x_ng: Tensor, sets: _Sets, *, k: int, tied: float) -> tuple[Tensor, Tensor]:
    """Weights of at most k features, (k, g), and their mixtures of sets, (k, s)."""
    left_nk, size_k, right_kg = torch.linalg.svd(x_ng, full_matrices=False)
    k = min(k, len(size_k))
    ridge = max(float(size_k[k - 1]), 1e-3 * float(size_k[0]), 1e-9)
    pull, eye_kk = ridge / 2, torch.eye(k).double()
    # Of a component and its mirror image, the one with the larger half above 0.
    above_k = right_kg[:k].clamp(min=0).square().sum(1)
    sign_k = torch.where(above_k < 0.5, -1.0, 1.0).double()
    z_nk = left_nk[:, :k] * size_k[:k] * sign_k
    w_kg = (right_kg[:k] * sign_k[:, None]).clamp(min=0)
    prior_kg, tie_ks = torch.zeros_like(w_kg), w_kg.new_zeros(k, len(sets.level_sg))
    for sweep in range(SWEEPS):
        if sweep >= FREE_SWEEPS and sweep % EVERY == 0 and sets.any:
            prior_kg, tie_ks = sets.tie(w_kg, tied=tied)
        target_kg = z_nk.T @ x_ng + pull * prior_kg
        w_kg = torch.linalg.solve(z_nk.T @ z_nk + pull * eye_kk, target_kg).clamp(min=0)
        before_nk = z_nk
        z_nk = torch.linalg.solve(w_kg @ w_kg.T + ridge * eye_kk, w_kg @ x_ng.T).T
        change = (z_nk - before_nk).norm() / before_nk.norm().clamp(min=1e-12)
        if sweep > FREE_SWEEPS and sweep % EVERY == 0 and change < TOLERANCE:
            break
    return w_kg, tie_ks


def _confirmed(w_kg: Tensor, tie_ks: Tensor, member_sg: Tensor, hidden_sg: Tensor) -> Tensor:
    """q-value of every tie: whether the weights of a set's hidden genes are larger than those of
    genes outside of it, (k, s); 1 where there is no tie, or no hidden gene."""
    from scipy.stats import false_discovery_control, mannwhitneyu

    q_value_ks = torch.ones_like(tie_ks)
    at = [(i, s) for i, s in (tie_ks > 0).nonzero().tolist() if hidden_sg[s].any()]
    if at:
        p = [
            mannwhitneyu(
                w_kg[i, hidden_sg[s]].numpy(),
                w_kg[i, ~member_sg[s]].numpy(),
                alternative="greater",
                method="asymptotic",
            ).pvalue
            for i, s in at
        ]
        rows, columns = zip(*at, strict=True)
        q_value_ks[rows, columns] = torch.from_numpy(false_discovery_control(p))
    return q_value_ks


class _Sets:
    """Gene sets, each standardised over the genes, and what features make of them."""

    def __init__(self, member_sg: Tensor) -> None:
        member_sg = member_sg.double()
        centred_sg = member_sg - member_sg.mean(1, keepdim=True)
        sd_s1 = centred_sg.square().mean(1, keepdim=True).sqrt()
        self.level_sg = centred_sg / sd_s1.clamp(min=1e-12) * (sd_s1 > 0)
        self.gram_ss = self.level_sg @ self.level_sg.T
        self.any = bool(self.level_sg.any())

    def tie(self, w_kg: Tensor, *, tied: float) -> tuple[Tensor, Tensor]:
        """The weights that the sets give each feature, 0 for those that are free, (k, g), and the
        mixtures, (k, s)."""
        from sklearn.linear_model import ElasticNet

        g = w_kg.shape[1]
        mean_k1 = w_kg.mean(1, keepdim=True)
        pull_ks = (w_kg - mean_k1) @ self.level_sg.T
        # The penalty at which the first set enters, for each feature, in units of its spread.
        spread_k1 = (w_kg - mean_k1).square().mean(1, keepdim=True).sqrt().clamp(min=1e-12)
        entry_k = (pull_ks / spread_k1).clamp(min=0).amax(1) / g / MIXING
        n_tied = round(tied * len(w_kg))
        mixture_ks = torch.zeros_like(pull_ks)
        if not n_tied:
            return torch.zeros_like(w_kg), mixture_ks
        strength = float(entry_k.sort(descending=True).values[min(n_tied, len(w_kg) - 1)])
        net = ElasticNet(
            alpha=max(strength, 1e-6),
            l1_ratio=MIXING,
            positive=True,
            fit_intercept=False,
            precompute=self.gram_ss.numpy(),
        )
        for i in torch.where(entry_k > strength)[0].tolist():
            target_g = ((w_kg[i] - mean_k1[i]) / spread_k1[i]).numpy()
            net.fit(self.level_sg.T.numpy(), target_g)
            mixture_ks[i] = torch.from_numpy(net.coef_.copy()) * spread_k1[i]
        on_k1 = (mixture_ks > 0).any(1, keepdim=True)
        return (mean_k1 + mixture_ks @ self.level_sg) * on_k1, mixture_ks
