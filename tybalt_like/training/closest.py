"""The normal profile nearest to a sample that a model can make."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tybalt_like.models.base import Batch, Model, huber_weights
from tybalt_like.models.networks.latent_search import BLOCK, search
from tybalt_like.training.inference import exact_batches

REWEIGHTINGS = 8
"""Of the genes in linear models; the codes then stay where they are."""
STEPS, RATES = 100, ((0, 0.05), (60, 0.01))
"""Of the search in other models, from the encoder's code, which is near."""
FEW = 30
"""Features whose pairs are fewer than the products that they save."""
RIDGE = 1e-8
"""Of the largest of the squared singular values: features that are not used stay 0."""


@torch.no_grad()
def closest(
    model: Model,
    x_ng: NDArray[np.floating],
    error_g: NDArray[np.floating],
    *,
    given: Mapping[str, NDArray[np.floating]] | None = None,
) -> NDArray[np.float64]:
    """What the model decodes from the code of least `Model.misfit`, (n, g).

    An encoder takes all genes at face value, so that what is strange in a sample moves its code,
    spreads to genes that are as usual, and hides a part of itself. Here every gene counts by how
    far it is off, as in robust regression (Huber 1964). Linear models are solved by reweighted
    least squares, others by gradient descent on the code from where the encoder puts it, as
    AnoGAN does (Schlegl et al. 2017).

    Parameters
    ----------
    error_g
        How far each gene usually is off, on the scale of the rows.
    given
        See `infer`.
    """
    found = []
    for exact, batch in exact_batches(model, {"x_ng": x_ng, **(given or {})}):
        error = torch.as_tensor(error_g).to(batch.x_ng)
        z_nk = exact.infer(batch)[0]
        z_nk = (_reweighted if exact.linear else _searched)(exact, batch, z_nk, error)
        found.append(exact.infer(batch.at(z_nk))[1].cpu().double().numpy())
    return np.concatenate(found)


def _reweighted(model: Model, batch: Batch, z_nk: Tensor, error_g: Tensor) -> Tensor:
    """The codes of linear models: least squares, with the weights that the last ones give."""
    origin = model.decode(torch.zeros_like(z_nk[:1]))
    w_kg = (model.decode(torch.eye(z_nk.shape[1]).to(z_nk)) - origin) / error_g
    ridge_kk = RIDGE * w_kg.square().sum() * torch.eye(len(w_kg)).to(w_kg)
    # Products of all pairs of features, if they are few: one matrix product then weighs them all.
    i, j = torch.triu_indices(len(w_kg), len(w_kg))
    pairs_gp = (w_kg[i] * w_kg[j]).T if len(w_kg) <= FEW else None
    codes = []
    for x_bg, start_bk in zip(batch.x_ng.split(BLOCK), z_nk.split(BLOCK), strict=True):
        off_bg, code_bk = (x_bg - origin) / error_g, start_bk
        for _ in range(REWEIGHTINGS):
            weight_bg = huber_weights(off_bg - code_bk @ w_kg)
            if pairs_gp is None:
                gram_bkk = (w_kg * weight_bg[:, None]) @ w_kg.T
            else:
                gram_bkk = weight_bg.new_empty(len(weight_bg), len(w_kg), len(w_kg))
                gram_bkk[:, i, j] = gram_bkk[:, j, i] = weight_bg @ pairs_gp
            code_bk = torch.linalg.solve(gram_bkk + ridge_kk, (weight_bg * off_bg) @ w_kg.T)
        codes.append(code_bk)
    return torch.cat(codes)


def _searched(model: Model, batch: Batch, z_nk: Tensor, error_g: Tensor) -> Tensor:
    """The codes of other models."""

    def misfit(z_bk: Tensor, row_b: Tensor) -> Tensor:
        rows = {name: values[row_b] for name, values in batch.tensors.items()}
        return model.misfit(Batch(rows).at(z_bk), error_g)

    return search(misfit, z_nk[:, None], steps=STEPS, rates=RATES)
