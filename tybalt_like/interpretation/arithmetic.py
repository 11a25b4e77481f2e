"""Latent arithmetic: what a vector does to profiles, judged by samples it was not learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.evaluation import Estimate

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Codes = NDArray[np.intp]

LEVEL = 0.05
"""False discovery rate at which a change is said not to be the measured one; one minus the
coverage of the intervals."""
APART = 2.0
"""Standard errors within which two rules are not distinguishable."""
HALVES = 20
"""Divisions of the held-out samples for the ceiling."""
MEANS = "mean difference"
"""The rule that every other stands beside: add what the training means differ by."""


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


def agreement(predicted: Change, measured: Change) -> dict[str, Estimate]:
    """How near a predicted change of all genes is to the measured one.

    Returns
    -------
    dict
        ``correlation`` over genes; ``r2``, the share of the measured squared change that is
        predicted (0 for no change at all); ``error``, root mean square. Standard errors are those
        of the samples that both were measured on.
    """
    p, m = predicted.value_g, measured.value_g

    def estimate(value: float, by_p: Array, by_m: Array) -> Estimate:
        influence_n = predicted.influence_ng @ by_p + measured.influence_ng @ by_m
        unit_n = np.unique(measured.unit_n, return_inverse=True)[1].ravel()
        return Estimate(float(value), influence_n).by_group(unit_n)

    off_g, square, wrong = p - m, float(m @ m), float((p - m) @ (p - m))
    error = np.sqrt(wrong / len(m))
    by_error_g = off_g / max(len(m) * error, 1e-300)
    by_m_g = 2 * (off_g / square + m * wrong / square**2)
    found = {
        "r2": estimate(1 - wrong / square, -2 * off_g / square, by_m_g),
        "error": estimate(error, by_error_g, -by_error_g),
    }
    if min(p.std(), m.std()) <= 1e-12 * max(float(np.abs(m).max()), 1e-300):
        return {"correlation": Estimate(np.nan), **found}
    (p_g, p_norm), (m_g, m_norm) = (_direction(v) for v in (p, m))
    r = float(p_g @ m_g)
    return {
        "correlation": estimate(r, (m_g - r * p_g) / p_norm, (p_g - r * m_g) / m_norm),
        **found,
    }


def _direction(value_g: Array) -> tuple[Array, float]:
    """Centred and of length 1, and the length it had."""
    centred_g = value_g - value_g.mean()
    norm = float(np.linalg.norm(centred_g))
    return centred_g / norm, norm


def ceiling(
    value: Callable[[Mask], Array | None], unit_n: Codes, part_n: Codes, seed: int
) -> float:
    """The correlation with the measured change that the true change would have.

    From halves of the held-out units, drawn `HALVES` times: their correlation r becomes the
    reliability 2r / (1 + r) of the whole (Spearman 1910; Brown 1910), whose root is the ceiling.
    NaN if halves do not agree at all, or if a group cannot be halved.

    Parameters
    ----------
    value
        The change measured on some of the samples; None if they do not suffice.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(HALVES):
        first_n = _half(unit_n, part_n, rng)
        one_g, other_g = value(first_n), value(~first_n)
        if one_g is not None and other_g is not None:
            found.append(float(_direction(one_g)[0] @ _direction(other_g)[0]))
    r = float(np.mean(found)) if found else np.nan
    return float(np.sqrt(2 * r / (1 + r))) if r > 0 else np.nan


def _half(unit_n: Codes, part_n: Codes, rng: np.random.Generator) -> Mask:
    """A random half of the units of every group."""
    unit_u, first_u = np.unique(unit_n, return_index=True)
    order_u = rng.permutation(len(unit_u))
    order_u = order_u[np.argsort(part_n[first_u][order_u], kind="stable")]
    in_half_u = np.zeros(len(unit_u), dtype=bool)
    in_half_u[order_u[rng.integers(2) :: 2]] = True
    return np.asarray(in_half_u[np.searchsorted(unit_u, unit_n)])


def compared(rules: Mapping[str, Change], measured: Change, *, ceiling: float) -> pd.DataFrame:
    """A row for every rule, beside `MEANS`.

    Returns
    -------
    pandas.DataFrame
        ``rule``; ``correlation``, ``r2`` and ``error`` (`agreement`), each with ``_se``;
        ``ceiling``; ``ahead`` and ``ahead_se``, by how much the correlation is above that of the
        mean difference on the same samples; and ``verdict`` on that.
    """
    found = {rule: agreement(change, measured) for rule, change in rules.items()}
    rows = []
    for rule, measures in found.items():
        row: dict[str, object] = {"rule": rule}
        for name, estimate in measures.items():
            row |= {name: estimate.value, f"{name}_se": estimate.standard_error}
        ahead = measures["correlation"] - found[MEANS]["correlation"]
        row |= {"ceiling": ceiling, "ahead": np.nan, "ahead_se": np.nan, "verdict": ""}
        if rule != MEANS:
            row |= {"ahead": ahead.value, "ahead_se": ahead.standard_error}
            row["verdict"] = verdict(ahead.value, ahead.standard_error)
        rows.append(row)
    return pd.DataFrame(rows)


def verdict(ahead: float, error: float) -> str:
    """What a difference from the simple rule comes to."""
    if not abs(ahead) > APART * error:
        return "not distinguishable"
    return "better" if ahead > 0 else "worse"


def gene_table(
    predicted_g: Array, means: Change, measured: Change, *, genes: pd.Index
) -> pd.DataFrame:
    """What a model says of every gene, what the means alone say, and what was measured.

    A change counts as different from the measured one where the difference is beyond what
    sampling of both the training samples (of the mean difference) and the held-out ones explains,
    with a false discovery rate of `LEVEL` over genes.

    Parameters
    ----------
    predicted_g
        By the model.
    means
        The mean difference of the training samples.
    measured
        On held-out samples.

    Returns
    -------
    pandas.DataFrame
        ``gene``; ``model_change``; ``mean_change``; ``measured_change`` with its 95 % interval
        ``measured_low``, ``measured_high``; ``model_verdict`` and ``mean_verdict``: "agrees",
        "invented" (no change was measured), "opposite", "overstated" or "understated"; the
        largest changes by the model first.
    """
    from scipy.stats import t

    error_g, free_g = measured.uncertainty()
    train_error_g, train_free_g = means.uncertainty()
    width_g = t.ppf(1 - LEVEL / 2, free_g) * error_g
    both_g = np.hypot(error_g, train_error_g)
    free_both_g = both_g**4 / np.maximum(
        error_g**4 / free_g + train_error_g**4 / train_free_g, 1e-300
    )
    m_g = measured.value_g
    table = pd.DataFrame(
        {
            "gene": genes,
            "model_change": predicted_g,
            "mean_change": means.value_g,
            "measured_change": m_g,
            "measured_low": m_g - width_g,
            "measured_high": m_g + width_g,
        }
    )
    for name in ("model", "mean"):
        said_g = table[f"{name}_change"].to_numpy()
        z_g = np.divide(said_g - m_g, both_g, out=np.zeros_like(m_g), where=both_g > 0)
        p_g = np.asarray(2 * t.sf(np.abs(z_g), np.maximum(free_both_g, 1)))
        table[f"{name}_verdict"] = _verdicts(said_g, m_g, width_g, _discoveries(p_g))
    order = np.argsort(-np.abs(predicted_g), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _discoveries(p_g: Array) -> Mask:
    """Those that Benjamini & Hochberg (1995) call at `LEVEL`."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p_g) < LEVEL)


def _verdicts(said_g: Array, m_g: Array, width_g: Array, differs_g: Mask) -> NDArray[np.object_]:
    return np.select(
        [
            ~differs_g,
            np.abs(m_g) <= width_g,
            said_g * m_g < 0,
            np.abs(said_g) > np.abs(m_g),
        ],
        ["agrees", "invented", "opposite", "overstated"],
        default="understated",
    ).astype(object)


def feature_table(
    trained: Change, held_out: Change, *, spread_k: Array, gene_change_k: Array, features: pd.Index
) -> pd.DataFrame:
    """Which latent features carry a difference.

    Parameters
    ----------
    trained, held_out
        The difference of the codes of training and of held-out samples.
    spread_k
        Standard deviation of the training codes.
    gene_change_k
        By how much the profile changes (root mean square over genes) when the feature alone
        makes its step.

    Returns
    -------
    pandas.DataFrame
        ``feature``; ``difference``; ``effect``, the same in standard deviations; ``gene_change``;
        ``held_out`` with its 95 % interval ``low``, ``high``; the largest ``gene_change`` first.
    """
    from scipy.stats import t

    error_k, free_k = held_out.uncertainty()
    width_k = t.ppf(1 - LEVEL / 2, free_k) * error_k
    effect_k = np.divide(
        trained.value_g, spread_k, out=np.zeros_like(spread_k), where=spread_k > 1e-12
    )
    table = pd.DataFrame(
        {
            "feature": features,
            "difference": trained.value_g,
            "effect": effect_k,
            "gene_change": gene_change_k,
            "held_out": held_out.value_g,
            "low": held_out.value_g - width_k,
            "high": held_out.value_g + width_k,
        }
    )
    return table.sort_values("gene_change", ascending=False, kind="stable", ignore_index=True)


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
