"""Simple predictors of treated profiles, fitted in the same folds as the models."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CONSTANT, BY_CONDITION = "constant", "constant of the condition"
NO_CHANGE, MEAN_CHANGE = "no change", "mean change"
MEAN_BY_CONDITION = "mean change of the condition"
RIDGE, NEIGHBOURS, FACTORS = "ridge on x1", "nearest groups", "linear factors"
RULES = (
    *(CONSTANT, BY_CONDITION, NO_CHANGE, MEAN_CHANGE, MEAN_BY_CONDITION),
    *(RIDGE, NEIGHBOURS, FACTORS),
)
PENALTIES = tuple(10.0 ** np.arange(0, 7))
"""Penalties of ridge regressions, chosen among by cross-validation, leave-one-out if groups have
one sample each."""
FOLDS = 5
"""Of these inner cross-validations, which leave out whole groups as the outer one does."""
N_NEIGHBOURS = (1, 3, 10, 30, 100)
"""Chosen among by cross-validation."""
N_FACTORS = 10
"""As Ahlmann-Eltze et al. have it."""


class Predicted(NamedTuple):
    """A treated profile, and the untreated one that the change is counted from."""

    after_ng: Floats
    before_ng: Floats


def profiles(
    x1_mg: Floats,
    x2_mg: Floats,
    test_ng: Floats,
    *,
    c_mc: Floats,
    c_nc: Floats,
    group_m: NDArray[np.str_],
) -> dict[str, Predicted]:
    """Treated profiles of test samples by name of the rule.

    Rules that see principal components of the untreated profile count the change from these, the
    others from the profile as it was measured.

    Parameters
    ----------
    x1_mg, x2_mg
        Training pairs.
    c_mc, c_nc
        The conditions that the model knows too, one-hot, of training and test samples; (m, 0)
        without any.
    group_m
        Groups of the training pairs.
    """
    change_mg = x2_mg - x1_mg
    constant_mg, constant_ng = _base(c_mc, c_nc, x2_mg, group_m)
    found = {CONSTANT: np.tile(x2_mg.mean(0), (len(test_ng), 1))}
    if c_mc.shape[1]:
        found[BY_CONDITION] = constant_ng
    found |= {NO_CHANGE: test_ng.copy(), MEAN_CHANGE: test_ng + change_mg.mean(0)}
    if c_mc.shape[1]:
        found[MEAN_BY_CONDITION] = test_ng + _base(c_mc, c_nc, change_mg, group_m)[1]
    fitted = ridge(group_m).fit(np.hstack([x1_mg, c_mc]), x2_mg)
    found[RIDGE] = np.asarray(fitted.predict(np.hstack([test_ng, c_nc])))
    measured = {name: Predicted(after_ng, test_ng) for name, after_ng in found.items()}
    left_mg = x2_mg - constant_mg
    pc_mk, pc_nk, low_ng = _components(x1_mg, test_ng)
    neighbours = _neighbours(group_m).fit(pc_mk, left_mg)
    return measured | {
        NEIGHBOURS: Predicted(constant_ng + np.asarray(neighbours.predict(pc_nk)), low_ng),
        FACTORS: Predicted(constant_ng + _factors(pc_mk, left_mg, pc_nk, group_m), low_ng),
    }


def _base(
    c_mc: Floats, c_nc: Floats, y_mg: Floats, group_m: NDArray[np.str_]
) -> tuple[Floats, Floats]:
    """Mean of the condition, of training and of test samples; without conditions the mean."""
    if not c_mc.shape[1]:
        mean_g: Floats = y_mg.mean(0)
        return np.tile(mean_g, (len(c_mc), 1)), np.tile(mean_g, (len(c_nc), 1))
    fitted = ridge(group_m).fit(c_mc, y_mg)
    return np.asarray(fitted.predict(c_mc)), np.asarray(fitted.predict(c_nc))


def _components(train_mg: Floats, test_ng: Floats) -> tuple[Floats, Floats, Floats]:
    """Principal components of untreated profiles, and what they say of the test profiles."""
    mean_g = train_mg.mean(0)
    axes_kg = np.linalg.svd(train_mg - mean_g, full_matrices=False)[2][:N_FACTORS]
    pc_nk = (test_ng - mean_g) @ axes_kg.T
    low_ng: Floats = mean_g + pc_nk @ axes_kg
    return (train_mg - mean_g) @ axes_kg.T, pc_nk, low_ng


def _factors(pc_mk: Floats, y_mg: Floats, pc_nk: Floats, group_m: NDArray[np.str_]) -> Floats:
    """``Y = P W G``: embeddings P of samples and G of genes, both principal components.

    Source: the linear model of Ahlmann-Eltze, Huber & Anders, Nat Methods (2025), with the
    untreated profile in place of the perturbed gene.
    """
    genes_kg = np.linalg.svd(y_mg, full_matrices=False)[2][:N_FACTORS]
    fitted = ridge(group_m).fit(pc_mk, y_mg @ genes_kg.T)
    found_ng: Floats = np.asarray(fitted.predict(pc_nk)) @ genes_kg
    return found_ng


def ridge(group_m: NDArray[np.str_]) -> Any:
    """Ridge regression that chooses its penalty without taking groups apart."""
    from sklearn.linear_model import RidgeCV

    parts = _parts(group_m)
    if parts is None:
        return RidgeCV(PENALTIES)
    return RidgeCV(PENALTIES, cv=parts, scoring="neg_mean_squared_error")


def _neighbours(group_m: NDArray[np.str_]) -> Any:
    """The mean of the nearest training samples; how many, without taking groups apart."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsRegressor

    parts = _parts(group_m)
    if parts is None:
        at = np.arange(len(group_m))
        n = min(FOLDS, len(at))
        parts = [(at[at % n != i], at[at % n == i]) for i in range(n)]
    fewest = min(len(train) for train, _ in parts)
    tried = {"n_neighbors": [k for k in N_NEIGHBOURS if k <= fewest]}
    return GridSearchCV(KNeighborsRegressor(), tried, cv=parts, scoring="neg_mean_squared_error")


def _parts(group_m: NDArray[np.str_]) -> list[tuple[Any, Any]] | None:
    """Parts of whole groups; None if there is one group, or each sample is one."""
    from sklearn.model_selection import GroupKFold

    n_groups = len(np.unique(group_m))
    if n_groups in (1, len(group_m)):
        return None
    return list(GroupKFold(min(FOLDS, n_groups)).split(group_m, groups=group_m))
