"""Changes of genes between groups of samples, and how far each sample moves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Codes = NDArray[np.intp]


class Link(NamedTuple):
    """The scale on which means of groups are compared, and its derivative."""

    of: Callable[[Array], Array]
    slope: Callable[[Array], Array]


AS_IS = Link(lambda x: x, np.ones_like)
LOG_COUNTS = Link(lambda x: np.log2(1 + x), lambda x: 1 / (np.log(2) * (1 + x)))
"""Of counts at one library size: the mean is taken first, because the mean of logarithms of low
counts says how many are 0."""


@dataclass(frozen=True)
class Change:
    """A change of every gene, and by how much each sample moves it.

    Attributes
    ----------
    value_g
        The change.
    influence_ng
        First-order change of it per sample (`Estimate`).
    unit_n
        Numbers of what is exchangeable: samples, or their groups.
    part_n
        Numbers of the groups that are compared, for the degrees of freedom.
    """

    value_g: Array
    influence_ng: Array
    unit_n: Codes
    part_n: Codes

    def __add__(self, other: Change) -> Change:
        pairs_n2 = np.stack([self.part_n, other.part_n], axis=1)
        pair_n = np.unique(pairs_n2, axis=0, return_inverse=True)[1].ravel()
        return Change(
            self.value_g + other.value_g,
            self.influence_ng + other.influence_ng,
            self.unit_n,
            np.where(pairs_n2.max(1) < 0, -1, pair_n),
        )

    def __neg__(self) -> Change:
        return replace(self, value_g=-self.value_g, influence_ng=-self.influence_ng)

    def __sub__(self, other: Change) -> Change:
        return self + -other

    def uncertainty(self) -> tuple[Array, Array]:
        """Standard error and degrees of freedom of every gene (Satterthwaite, Biometrics Bulletin
        1946), (g,) each; units that lie in several groups, as pairs do, count as a group of their
        own."""
        moved_ug = _sums(self.influence_ng, self.unit_n)
        in_up = _sums(np.eye(self.part_n.max() + 2)[self.part_n], self.unit_n) > 0
        in_up[:, -1] = False  # samples of no group
        kind_u = np.unique(in_up, axis=0, return_inverse=True)[1].ravel()
        variance_kg = _sums(moved_ug**2, kind_u)
        free_k1 = np.maximum(np.bincount(kind_u) - 1, 1)[:, None]
        variance_g = variance_kg.sum(0)
        weighed_g = (variance_kg**2 / free_k1).sum(0)
        free_g = np.divide(
            variance_g**2, weighed_g, out=np.ones_like(weighed_g), where=weighed_g > 0
        )
        return np.sqrt(variance_g), free_g


def _sums(value_ng: Array, code_n: Codes) -> Array:
    """Sums of rows with the same number, in the order of the numbers."""
    code_n = np.unique(code_n, return_inverse=True)[1].ravel()
    order_n = np.argsort(code_n, kind="stable")
    start_c = np.flatnonzero(np.r_[True, np.diff(code_n[order_n]) > 0])
    return np.asarray(np.add.reduceat(value_ng[order_n], start_c, axis=0), dtype=np.float64)


@dataclass(frozen=True)
class Comparison:
    """A group of samples minus another, inside every level of a third column.

    Attributes
    ----------
    weight_c
        Weights of the cells (a group inside a level): positive in the first group and adding up
        to 1, negative in the second and adding up to -1. Levels weigh as in a linear model with a
        term for each of them.
    cell_n
        Number of each sample's cell, -1 for samples that are in none.
    unit_n
        Numbers of what is exchangeable.
    """

    weight_c: Array
    cell_n: Codes
    unit_n: Codes

    @classmethod
    def of(
        cls, first_n: Mask, second_n: Mask, *, unit_n: Codes, level_n: NDArray[np.object_] | None
    ) -> Comparison:
        """Levels are left out that have fewer than two units of either group."""
        level_n = np.zeros(len(first_n), dtype=object) if level_n is None else level_n
        cell_n = np.full(len(first_n), -1, dtype=np.intp)
        weights: list[float] = []
        for level in sorted(set(level_n[first_n | second_n])):
            masks = [group_n & (level_n == level) for group_n in (first_n, second_n)]
            if min(len(np.unique(unit_n[mask_n])) for mask_n in masks) < 2:
                continue
            a, b = (int(mask_n.sum()) for mask_n in masks)
            for mask_n, sign in zip(masks, (1, -1), strict=True):
                cell_n[mask_n] = len(weights)
                weights.append(sign * a * b / (a + b))
        weight_c = np.array(weights)
        return cls(weight_c / max(weight_c.clip(0).sum(), 1e-300), cell_n, unit_n)

    @property
    def sizes(self) -> tuple[int, int]:
        """Samples of the first and of the second group."""
        side_n = self.side_n
        return int((side_n > 0).sum()), int((side_n < 0).sum())

    @property
    def side_n(self) -> NDArray[np.float64]:
        """1 in the first group, -1 in the second, 0 elsewhere."""
        if not len(self.weight_c):
            return np.zeros(len(self.cell_n))
        return np.where(self.cell_n < 0, 0.0, np.sign(self.weight_c[self.cell_n]))

    @property
    def second(self) -> Comparison:
        """The second group alone, its weights positive: where moving starts."""
        cell_n = np.where(self.side_n < 0, self.cell_n, -1)
        return replace(self, weight_c=np.maximum(-self.weight_c, 0), cell_n=cell_n)

    def among(self, kept_n: Mask) -> Comparison | None:
        """The same of fewer samples; None if a cell is left with none."""
        cell_n = np.where(kept_n, self.cell_n, -1)
        left = len(np.unique(cell_n[cell_n >= 0])) == len(np.unique(self.cell_n[self.cell_n >= 0]))
        return replace(self, cell_n=cell_n) if left else None

    def value(self, x_ng: Array, link: Link = AS_IS) -> Array:
        """The weighed sum of the cells' means, (g,)."""
        value_g = np.zeros(x_ng.shape[1])
        for c in np.unique(self.cell_n[self.cell_n >= 0]):
            value_g += self.weight_c[c] * link.of(x_ng[self.cell_n == c].mean(0))
        return value_g

    def change(self, x_ng: Array, link: Link = AS_IS) -> Change:
        """The value with its uncertainty."""
        influence_ng = np.zeros(x_ng.shape)
        for c in np.unique(self.cell_n[self.cell_n >= 0]):
            rows = np.flatnonzero(self.cell_n == c)
            mean_g = x_ng[rows].mean(0)
            units = len(np.unique(self.unit_n[rows]))
            scale_g = self.weight_c[c] * link.slope(mean_g) / len(rows)
            influence_ng[rows] = (
                scale_g * (x_ng[rows] - mean_g) * np.sqrt(units / max(units - 1, 1))
            )
        return Change(self.value(x_ng, link), influence_ng, self.unit_n, self.cell_n)


def fixed(value_g: Array, like: Change) -> Change:
    """A change that does not depend on the held-out samples."""
    return replace(like, value_g=value_g, influence_ng=np.zeros_like(like.influence_ng))


def projected(difference_g: Array, x_ng: Array, k: int) -> Array:
    """The part of a difference in the first k principal axes of rows: PCA arithmetic, (g,)."""
    centred_ng = x_ng - x_ng.mean(0)
    if centred_ng.shape[0] <= centred_ng.shape[1]:
        square_n, left_nn = np.linalg.eigh(centred_ng @ centred_ng.T)
        kept = square_n > 1e-10 * square_n[-1]
        axes_kg = (left_nn[:, kept] / np.sqrt(square_n[kept])).T @ centred_ng
    else:
        square_g, right_gg = np.linalg.eigh(centred_ng.T @ centred_ng)
        axes_kg = right_gg[:, square_g > 1e-10 * square_g[-1]].T
    axes_kg = axes_kg[-k:]
    return np.asarray(difference_g @ axes_kg.T @ axes_kg)
