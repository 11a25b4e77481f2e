"""The linear solution of pairs: what a network of treated samples has to add to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn

RANK = 20
"""Principal components of untreated profiles, at most."""
FOLDS = 5
CONDITION_PENALTY = 10.0


class Choice(NamedTuple):
    """What inner folds decide.

    Attributes
    ----------
    rank
        Principal components of the untreated profile that are used.
    out
        Principal components of the treated profiles that are predicted; 0 for all genes.
    penalty
        Of the ridge regression on components of unit variance.
    carry
        Whether what the components leave of the untreated profile is carried over.
    """

    rank: int = 5
    out: int = 10
    penalty: float = 300.0
    carry: bool = False


CHOICES = [
    Choice(*of) for of in product((5, RANK), (10, 0), (3.0, 30.0, 300.0, 3000.0), (False, True))
]


class Pairs(NamedTuple):
    """Profiles before and after, conditions (centred), and what is held out together."""

    x1_ng: Tensor
    x2_ng: Tensor
    c_nc: Tensor
    unit_n: Tensor

    def at(self, mask_n: Tensor) -> Pairs:
        """Some of the rows."""
        return Pairs(*(part[mask_n] for part in self))

    def and_(self, other: Pairs) -> Pairs:
        """The rows of both."""
        return Pairs(*(torch.cat(parts) for parts in zip(self, other, strict=True)))

    def double(self) -> Pairs:
        """In double precision on the processor, which not every accelerator has."""
        return Pairs(*(part.detach().cpu().double() for part in self))


class Solution(NamedTuple):
    """The numbers of a `LinearPairs`."""

    mean_g: Tensor
    axes_kg: Tensor
    after_g: Tensor
    map_fg: Tensor
    carry_g: Tensor

    def __call__(self, x_ng: Tensor, c_nc: Tensor) -> tuple[Tensor, Tensor]:
        left_ng = x_ng - self.mean_g
        z_nk = left_ng @ self.axes_kg.T
        low_ng = z_nk @ self.axes_kg
        carried_ng = self.carry_g * (left_ng - low_ng)
        before_ng = self.mean_g + low_ng + carried_ng
        return before_ng, self.after_g + torch.cat([z_nk, c_nc], 1) @ self.map_fg + carried_ng


class LinearPairs(nn.Module):
    """``x2 = b + M z + V c + a (x1 - A' z)`` with ``z = A (x1 - m)``, principal components.

    Ridge regression between principal components (Ahlmann-Eltze, Huber & Anders, Nat Methods
    2025, with the untreated profile in place of the perturbed gene). What the components leave of
    the untreated profile is carried over in a share `a` of each gene, which is shrunk towards the
    share of all genes. Ranks, penalty and whether anything is carried: inner folds of whole units.
    """

    mean_g: Tensor
    axes_kg: Tensor
    after_g: Tensor
    map_fg: Tensor
    carry_g: Tensor

    def __init__(self, n_vars: int, n_conditions: int) -> None:
        super().__init__()
        shapes = {
            "mean_g": (n_vars,),
            "axes_kg": (RANK, n_vars),
            "after_g": (n_vars,),
            "map_fg": (RANK + n_conditions, n_vars),
            "carry_g": (n_vars,),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def forward(self, x_ng: Tensor, c_nc: Tensor) -> tuple[Tensor, Tensor]:
        """Profiles before, without what is noise, and after."""
        return Solution(*(getattr(self, name) for name in Solution._fields))(x_ng, c_nc)

    def solve(self, pairs: Pairs, choice: Choice) -> None:
        """Fit all numbers."""
        (solution,) = solutions(pairs.double(), [choice])
        for name, value in zip(Solution._fields, solution, strict=True):
            getattr(self, name).copy_(value)


def chosen(pairs: Pairs) -> Choice:
    """The choice with the smallest squared error in inner folds, which keep units whole."""
    pairs = pairs.double()
    code_n = torch.unique(pairs.unit_n, return_inverse=True)[1]
    fold_n = code_n % FOLDS
    n_folds = int(fold_n.max()) + 1
    if n_folds < 2:
        return Choice()
    error = torch.zeros(len(CHOICES), dtype=torch.float64)
    for fold in range(n_folds):
        held = pairs.at(fold_n == fold)
        for i, solution in enumerate(solutions(pairs.at(fold_n != fold), CHOICES)):
            error[i] += (solution(held.x1_ng, held.c_nc)[1] - held.x2_ng).square().sum()
    return CHOICES[int(error.argmin())]


def solutions(pairs: Pairs, choices: list[Choice]) -> Iterator[Solution]:
    """The solution of each choice."""
    x1_ng, x2_ng, c_nc, _ = pairs
    n, g = x1_ng.shape
    mean_g, after_g = x1_ng.mean(0), x2_ng.mean(0)
    left_ng, y_ng = x1_ng - mean_g, x2_ng - after_g
    _, size_k, all_kg = torch.linalg.svd(left_ng, full_matrices=False)
    genes_hg = torch.linalg.svd(y_ng, full_matrices=False)[2]
    for rank, out, penalty, carry in choices:
        axes_kg = x1_ng.new_zeros(RANK, g)
        used = min(rank, len(all_kg))
        axes_kg[:used] = all_kg[:used]
        scale = (size_k[:used].square().mean() / n).clamp(min=1e-12)
        f_nf = torch.cat([left_ng @ axes_kg.T, c_nc], 1)
        size_f = x1_ng.new_full((f_nf.shape[1],), CONDITION_PENALTY)
        size_f[:RANK] = penalty * scale
        target_ng = y_ng @ genes_hg[:out].T @ genes_hg[:out] if out else y_ng
        centred_nf = f_nf - f_nf.mean(0)
        gram_ff = centred_nf.T @ centred_nf + size_f.diag()
        map_fg = torch.linalg.solve(gram_ff, centred_nf.T @ target_ng)
        carry_g = x1_ng.new_zeros(g)
        if carry:
            rest_ng = left_ng - left_ng @ axes_kg.T @ axes_kg
            carry_g = _slopes(rest_ng, y_ng - centred_nf @ map_fg)
        yield Solution(mean_g, axes_kg, after_g - f_nf.mean(0) @ map_fg, map_fg, carry_g)


def _slopes(x_ng: Tensor, y_ng: Tensor) -> Tensor:
    """Slope of each gene between 0 and 1, half-way to that of all genes at a typical variance."""
    product_g, square_g = (x_ng * y_ng).sum(0), x_ng.square().sum(0)
    overall = product_g.sum() / square_g.sum().clamp(min=1e-12)
    weight = square_g.median()
    return ((product_g + weight * overall) / (square_g + weight).clamp(min=1e-12)).clamp(0, 1)
