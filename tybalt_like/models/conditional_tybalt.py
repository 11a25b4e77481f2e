"""Tybalt that is told what it should not have to learn: batch, tissue, sex."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tybalt_like.core.errors import RecipeError
from tybalt_like.models.base import Batch
from tybalt_like.models.networks.losses import bernoulli_nll
from tybalt_like.models.tybalt import Tybalt, TybaltConfig


@dataclass(frozen=True)
class ConditionalTybaltConfig(TybaltConfig):
    """Settings of `ConditionalTybalt`: those of `TybaltConfig`, and

    Parameters
    ----------
    covariates
        Columns of the sample table to condition on.
    categories
        The values of each of them; `tl.fit` takes those of the training samples.
    """

    covariates: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.covariates:
            raise RecipeError(
                "model.covariates is empty: name the sample columns to condition on, for example "
                'covariates = ["batch"]'
            )


class ConditionalTybalt(Tybalt, name="conditional_tybalt"):
    """Encoder and decoder see the covariates, so that the latent features need not hold them.

    Batches carry them as ``c_nc``, one-hot and side by side; a row of NaN stands for "not known"
    and becomes the training frequencies, as do covariates that are not given at all.

    Loss: ``sum over genes of BCE(x, decoder([z, c]))  +  beta x KL(q(z|x, c) || N(0, 1))``.

    Source: cTybalt in greenelab/tybalt, after Sohn et al., NeurIPS 2015. cTybalt also decodes
    the labels themselves; this one does not.

    Use it when batch, tissue or sex explains much of the variation and is not the question.
    """

    citation = (
        "Conditional variational autoencoder: Sohn K, Lee H, Yan X. Learning structured "
        "output representation using deep conditional generative models. NeurIPS (2015). "
        "Tybalt: Way GP, Greene CS. Extracting a biologically relevant latent space from "
        "cancer transcriptomes with variational autoencoders. Pacific Symposium on "
        "Biocomputing 23:80-91 (2018)."
    )
    Config = ConditionalTybaltConfig
    frequency_c: Tensor

    def __init__(self, n_vars: int, config: ConditionalTybaltConfig) -> None:
        n_covariates = sum(map(len, config.categories))
        super().__init__(n_vars, config, n_covariates=n_covariates)
        self.register_buffer("frequency_c", torch.zeros(n_covariates))

    @property
    def covariates(self) -> Mapping[str, tuple[str, ...]]:
        return dict(zip(self.config.covariates, self.config.categories, strict=True))

    def solve(self, train: Batch) -> None:
        self.frequency_c.copy_(train.tensors["c_nc"].nanmean(0))

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.heads(torch.cat([batch.x_ng, self.known(batch, len(batch.x_ng))], 1))

    def nll(self, batch: Batch, z_nk: Tensor) -> Tensor:
        code_nk = torch.cat([z_nk, self.known(batch, len(z_nk))], 1)
        return bernoulli_nll(self.logits(code_nk), batch.x_ng)

    def infer(self, batch: Batch) -> tuple[Tensor, Tensor]:
        z_nk = batch.tensors.get("z_nk")
        z_nk = self.encode(batch)[0] if z_nk is None else z_nk
        code_nk = torch.cat([z_nk, self.known(batch, len(z_nk))], 1)
        return z_nk, torch.sigmoid(self.logits(code_nk))

    def decode(self, z_nk: Tensor) -> Tensor:
        """Reconstruction at the training frequencies of the covariates."""
        code_nk = torch.cat([z_nk, self.known(Batch({}), len(z_nk))], 1)
        return torch.sigmoid(self.logits(code_nk))

    def weights(self) -> Tensor:
        return super().weights()[: self.config.latent_dim]

    def known(self, batch: Batch, n: int) -> Tensor:
        """Covariates of `n` rows, unknown ones at their training frequencies, (n, c)."""
        typical_nc = self.frequency_c.expand(n, -1)
        given_nc = batch.tensors.get("c_nc")
        return typical_nc if given_nc is None else given_nc.where(~given_nc.isnan(), typical_nc)
