"""Axes of a latent space turned so that each rests on few genes."""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 500
TOLERANCE = 1e-7


def varimax(loadings_gk: Tensor) -> Tensor:
    """The rotation R, (k, k), for which the squares of loadings R vary most over the genes.

    Found from the identity by Horst's alternation of singular value decompositions, so that equal
    loadings give equal axes.

    Source: Kaiser, Psychometrika 23:187 (1958).
    """
    turn_kk, before = torch.eye(loadings_gk.shape[1]).to(loadings_gk), 0.0
    for _ in range(STEPS):
        turned_gk = loadings_gk @ turn_kk
        slope_gk = turned_gk * (turned_gk.square() - turned_gk.square().mean(0))
        left_kk, size_k, right_kk = torch.linalg.svd(loadings_gk.T @ slope_gk)
        turn_kk, now = left_kk @ right_kk, float(size_k.sum())
        if now <= before * (1 + TOLERANCE):
            break
        before = now
    return turn_kk
