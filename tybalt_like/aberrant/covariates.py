"""Sample columns that are controlled for, as numbers with the mean 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tybalt_like.aberrant.statistics import Floats
from tybalt_like.core.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

FEW_VALUES = 10
"""A column of numbers with at most so many values is a column of groups."""


@dataclass(frozen=True)
class Covariate:
    """One column.

    Attributes
    ----------
    groups
        The groups it divides samples into; none for a column of numbers.
    mean, sd
        Share of each group in the cohort and 1, or the one mean and standard deviation.
    """

    column: str
    groups: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]

    @classmethod
    def fit(cls, adata: AnnData, column: str) -> Covariate:
        """Learn the values of a column.

        Raises
        ------
        DataError
            If the column is missing, empty, the same in all samples or different in most.
        """
        text = _text(adata, column)
        known = text.dropna()
        groups = tuple(sorted(known.unique()))
        if len(groups) < 2:
            found = f"has the value {groups[0]!r} only" if groups else "is empty"
            raise DataError(f"covariate {column!r} {found}; there is nothing to control for")
        numbers = pd.to_numeric(known, errors="coerce").to_numpy(np.float64)
        if len(groups) > FEW_VALUES and np.isfinite(numbers).all():
            return cls(column, (), (float(numbers.mean()),), (float(numbers.std()),))
        if len(groups) > len(known) / 2:
            raise DataError(
                f"covariate {column!r} has {len(groups)} different values in {len(known)} samples; "
                "groups need several samples each"
            )
        shares = tuple(float((known == group).mean()) for group in groups)
        return cls(column, groups, shares, (1.0,) * len(groups))

    def matrix(self, adata: AnnData) -> Floats:
        """Centred values, (n, c); 0, the average, where the value is missing or a new group."""
        text = _text(adata, self.column)
        if self.groups:
            values_nc = np.equal.outer(text.to_numpy(object), np.array(self.groups, object))
            values_nc = np.where(text.isin(self.groups).to_numpy()[:, None], values_nc, np.nan)
        else:
            values_nc = pd.to_numeric(text, errors="coerce").to_numpy(np.float64)[:, None]
        centred_nc = (values_nc - np.array(self.mean)) / np.array(self.sd)
        return np.asarray(np.nan_to_num(centred_nc))

    def unknown(self, adata: AnnData) -> list[str]:
        """Samples whose value is missing or a new group."""
        text = _text(adata, self.column)
        known = text.isin(self.groups) if self.groups else pd.to_numeric(text, "coerce").notna()
        return list(text.index[~known])

    def __str__(self) -> str:
        what = f"{len(self.groups)} groups" if self.groups else "numbers"
        return f"{self.column} ({what})"


def design(adata: AnnData, covariates: Sequence[Covariate]) -> Floats:
    """All covariates side by side, (n, c)."""
    blocks = [np.zeros((adata.n_obs, 0)), *(each.matrix(adata) for each in covariates)]
    return np.concatenate(blocks, axis=1)


def _text(adata: AnnData, column: str) -> pd.Series[str]:
    """A column as text; empty values are missing."""
    if column not in adata.obs:
        known = ", ".join(map(str, adata.obs.columns)) or "none; give a sample table with --obs"
        raise DataError(f"there is no sample column {column!r}; columns: {known}")
    values: pd.Series[Any] = adata.obs[column]
    text = values.astype(str)
    return text.where(values.notna() & ~text.isin(["", "nan"]))
