"""Directions of the latent space from one group of samples to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.evaluation import Estimate
from tybalt_like.evaluation.labels import MIN_PER_CLASS
from tybalt_like.evaluation.probes import REPEATS, divisions
from tybalt_like.interpretation.axes import Axes

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]
Codes = NDArray[np.intp]
How = Literal["mean", "probe"]
LEAST_WITHIN = 1e-6
"""Variance of a feature within groups, at least, in shares of all."""


@dataclass(frozen=True)
class Direction:
    """A feature that was made to tell two groups apart.

    Attributes
    ----------
    axes
        The feature: how it is read, and how codes move along it. Its scores have mean 0 and
        standard deviation 1 over the samples of both groups; the second group is high.
    auroc
        Of samples that the direction was not found with, among those of their fold.
    n_first, n_second
        Samples in the groups.
    """

    axes: Axes
    auroc: Estimate
    n_first: int
    n_second: int


def direction(
    z_nk: ArrayLike,
    first_n: Mask,
    second_n: Mask,
    *,
    how: How = "probe",
    group_n: ArrayLike | None = None,
    name: str = "direction",
    seed: int = 0,
) -> Direction:
    """The direction from one group of samples to another, as a feature like any other.

    ``"mean"``: codes move along the difference of the groups' means, and it is read by diagonal
    discriminant analysis (Dudoit et al., J Am Stat Assoc 97:77, 2002): latent features count by
    how far the groups are apart in them, for their variance within groups. ``"probe"``: read by a
    logistic regression (L2, C = 1, on standardised codes), which also knows what features share;
    codes move as they do on average when what is read rises (Haufe et al., NeuroImage 87:96,
    2014), because the weights of a probe, which cancel noise, are no profile of the groups.

    Whether the groups can be told apart is measured in stratified five-fold cross-validation,
    twice; all that is fitted here is fitted without the fold. Only pairs of samples of one fold are
    compared (Airola et al., Comput Stat Data Anal 55:1828, 2011): scores of different folds have
    different zeros. The encoder itself is not trained again.

    Parameters
    ----------
    z_nk
        Codes.
    first_n, second_n
        Who is in the groups; others take no part.
    group_n
        Of every sample what it belongs to, such as a patient: lies in one fold, and is the unit of
        the standard error.
    name
        Of the feature.

    Raises
    ------
    DataError
        If a group has fewer than 5 samples, or with `group_n` fewer than 5 units.
    RecipeError
        If there is no direction of that kind.
    """
    if how not in ("mean", "probe"):
        raise RecipeError(f"unknown direction {how!r}; choose 'mean' or 'probe'")
    used = np.flatnonzero(first_n | second_n)
    z, second_m = np.asarray(z_nk, dtype=np.float64)[used], second_n[used]
    unit_m = None
    if group_n is not None:
        unit_m = np.unique(np.asarray(group_n)[used], return_inverse=True)[1].astype(np.intp)
    _refuse_few(second_m, unit_m)
    repeats = []
    for division in divisions(second_m.astype(np.intp), unit_m, REPEATS, seed):
        parts = [
            (test, _feature(z[train], second_m[train], how, name).scores(z[test])[:, 0])
            for train, test in division
        ]
        repeats.append(_within_folds(parts, second_m))
    auroc = Estimate.average(repeats)
    return Direction(
        _feature(z, second_m, how, name),
        auroc if unit_m is None else auroc.by_group(unit_m),
        int((~second_m).sum()),
        int(second_m.sum()),
    )


def mean_difference(z_nk: Array, first_n: Mask, second_n: Mask) -> Array:
    """Vector from the mean code of one group to that of another, (k,)."""
    return np.asarray(z_nk[second_n].mean(0) - z_nk[first_n].mean(0))


def linear_probe(z_nk: Array, first_n: Mask, second_n: Mask, *, c: float = 0.1) -> Array:
    """Vector along which a logistic regression (L2, of strength 1 / c) parts two groups, as long as
    carries one mean to the other on it, (k,)."""
    from sklearn.linear_model import LogisticRegression

    z_mk = np.concatenate([z_nk[first_n], z_nk[second_n]])
    in_second_m = np.repeat([0, 1], [first_n.sum(), second_n.sum()])
    normal_k = LogisticRegression(C=c, max_iter=1000).fit(z_mk, in_second_m).coef_[0]
    apart = mean_difference(z_nk, first_n, second_n) @ normal_k
    return np.asarray(normal_k * apart / (normal_k @ normal_k))


def _feature(z_nk: Array, second_n: Mask, how: How, name: str) -> Axes:
    own = Axes.own(z_nk)
    if how == "probe":
        normal_k = linear_probe(own.scores(z_nk), ~second_n, second_n, c=1.0)
        return Axes.read_by((own.reading_kj @ normal_k)[:, None], z_nk, names=[name])
    score_nk = own.scores(z_nk)
    apart_k = mean_difference(score_nk, ~second_n, second_n)
    within_nk = score_nk - np.where(second_n[:, None], *_means(score_nk, second_n))
    weight_k = apart_k / np.maximum((within_nk**2).mean(0), LEAST_WITHIN)
    found = Axes.read_by((own.reading_kj @ weight_k)[:, None], z_nk, names=[name])
    difference_k = mean_difference(z_nk, ~second_n, second_n).astype(np.float64)
    rise = float(difference_k @ found.reading_kj[:, 0])
    return replace(found, moves_jk=difference_k[None] / rise if rise > 0 else found.moves_jk)


def _means(score_nk: Array, second_n: Mask) -> tuple[Array, Array]:
    """Of the second group and of the first."""
    return score_nk[second_n].mean(0), score_nk[~second_n].mean(0)


def _within_folds(parts: Sequence[tuple[Codes, Array]], second_n: Mask) -> Estimate:
    """Share of the pairs of a fold in which the sample of the second group is higher."""
    won_n, pairs_n = np.zeros(len(second_n)), np.zeros(len(second_n))
    for rows, score_m in parts:
        high_m = second_n[rows]
        ahead = np.subtract.outer(score_m[high_m], score_m[~high_m])
        won = (ahead > 0) + 0.5 * (ahead == 0)
        won_n[rows[high_m]], won_n[rows[~high_m]] = won.sum(1), won.sum(0)
        pairs_n[rows[high_m]], pairs_n[rows[~high_m]] = won.shape[1], won.shape[0]
    pairs = pairs_n[second_n].sum()
    auroc = float(won_n[second_n].sum() / pairs)
    # By sample, as DeLong et al., Biometrics 44:837 (1988).
    return Estimate(auroc, (won_n - auroc * pairs_n) / pairs)


def _refuse_few(second_n: Mask, unit_n: Codes | None) -> None:
    for group, rows in (("first", ~second_n), ("second", second_n)):
        n = int(rows.sum()) if unit_n is None else len(np.unique(unit_n[rows]))
        if n < MIN_PER_CLASS:
            what = "samples" if unit_n is None else "units whose samples stay together"
            raise DataError(
                f"the {group} of the two groups has {n} {what}; a direction between them takes "
                f"{MIN_PER_CLASS}"
            )
