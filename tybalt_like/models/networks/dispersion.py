"""How noisy the counts of a gene are, once their means are known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

DISPERSION = (0.01, 1000.0)
"""Range of the dispersions (OUTRIDER's): outside, the likelihood is flat or its terms overflow."""
GOLDEN = (5**0.5 - 1) / 2
SECTIONS = 25
"""Each leaves 62 % of the range: dispersions are right to 1e-4 of their value."""


@torch.no_grad()
def fit_dispersion(x_ng: Tensor, mean_ng: Tensor) -> Tensor:
    """Dispersion theta of every gene by maximum likelihood, (g,), all genes at once, on the CPU.

    The counts x have the variance ``mean + mean^2 / theta``. The likelihood has one maximum in
    theta, found by golden-section search on the logarithm, within `DISPERSION`.

    Parameters
    ----------
    mean_ng
        Expected counts, above 0.
    """
    x_ng, mean_ng = x_ng.cpu().double(), mean_ng.cpu().double()

    def nll(log_g: Tensor) -> Tensor:
        """`negative_binomial_nll` without what does not depend on theta."""
        theta_g = log_g.exp()
        at_zero_g = torch.lgamma(theta_g) - theta_g * log_g
        nll_ng = (x_ng + theta_g) * (theta_g + mean_ng).log() - torch.lgamma(x_ng + theta_g)
        return (nll_ng + at_zero_g).sum(0)

    low_g, high_g = (torch.full_like(x_ng[0], math.log(bound)) for bound in DISPERSION)
    left_g, right_g = high_g - GOLDEN * (high_g - low_g), low_g + GOLDEN * (high_g - low_g)
    at_left_g, at_right_g = nll(left_g), nll(right_g)
    for _ in range(SECTIONS):
        goes_left = at_left_g < at_right_g
        low_g, high_g = low_g.where(goes_left, left_g), right_g.where(goes_left, high_g)
        new_g = torch.where(
            goes_left, high_g - GOLDEN * (high_g - low_g), low_g + GOLDEN * (high_g - low_g)
        )
        at_new_g = nll(new_g)
        left_g, right_g = new_g.where(goes_left, right_g), left_g.where(goes_left, new_g)
        at_left_g, at_right_g = (
            at_new_g.where(goes_left, at_right_g),
            at_left_g.where(goes_left, at_new_g),
        )
    return ((low_g + high_g) / 2).exp()
