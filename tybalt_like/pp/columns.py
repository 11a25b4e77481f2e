"""Which columns of a matrix a list of genes is read from, copies of a gene included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.genes import Alignment
from tybalt_like.pp.matrix import Floats, row_chunks

if TYPE_CHECKING:
    from anndata import AnnData

Duplicates = Literal["max_mean", "mean", "first", "refuse"]


@dataclass(frozen=True)
class Columns:
    """Where each gene of a list is read.

    Attributes
    ----------
    column_g
        Its column, -1 if the matrix lacks it.
    averaged
        All columns of the genes whose copies are averaged, by number of the gene.
    """

    column_g: NDArray[np.intp]
    averaged: dict[int, NDArray[np.intp]]

    @property
    def absent_g(self) -> NDArray[np.bool_]:
        return self.column_g < 0

    def some(self, which_g: NDArray[np.intp]) -> Self:
        """Those of some of the genes."""
        averaged = {i: self.averaged[g] for i, g in enumerate(which_g) if g in self.averaged}
        return type(self)(self.column_g[which_g], averaged)

    def read(self, x_nv: Floats) -> Floats:
        """Values of the genes, (n, g), from whole rows of the matrix; NaN where one is absent."""
        x_ng = x_nv[:, self.column_g]
        x_ng[:, self.absent_g] = np.nan
        for g, copies in self.averaged.items():
            x_ng[:, g] = x_nv[:, copies].mean(axis=1)
        return x_ng


@dataclass(frozen=True)
class Choice:
    """Of how many copies of a gene which one was taken in training, counted from 0."""

    copy: int
    of: int


def for_training(
    adata: AnnData, rows_n: NDArray[np.intp], how: Duplicates
) -> tuple[list[str], Columns, dict[str, Choice]]:
    """Distinct genes of a matrix, their columns, and which copy was taken of those with several.
    Reads on no gene, which some programs write among the genes, are left out.

    Raises
    ------
    DataError
        If `how` is ``"refuse"`` and a gene occurs more than once.
    """
    from tybalt_like.io.not_genes import not_genes

    places: dict[str, list[int]] = {}
    names = adata.var_names.astype(str)
    for place in np.flatnonzero(~not_genes(names)).tolist():
        places.setdefault(names[place], []).append(place)
    copied = {name: columns for name, columns in places.items() if len(columns) > 1}
    choices = {name: Choice(0, len(columns)) for name, columns in copied.items()}
    if copied and how == "max_mean":
        mean_v = _means(adata, rows_n)
        choices = {n: Choice(int(np.argmax(mean_v[c])), len(c)) for n, c in copied.items()}
    return list(places), _resolved(places, choices, how), choices


def for_transform(
    genes: Sequence[str], found: Alignment, choices: Mapping[str, Choice], how: Duplicates
) -> Columns:
    """Columns of trained genes in another matrix, its copies treated as in training.

    Raises
    ------
    DataError
        If a gene has several columns and it is not known which one to take.
    """
    places = dict(zip(genes, map(list, found.columns), strict=True))
    for gene, columns in places.items():
        known = choices.get(gene, Choice(0, 1)).of
        if how == "max_mean" and len(columns) > 1 and len(columns) != known:
            raise DataError(
                f"gene {gene} has {len(columns)} columns here, {known} in training: it is not "
                "known which one to take; keep one"
            )
    return _resolved(places, choices, how)


def _resolved(
    places: Mapping[str, list[int]], choices: Mapping[str, Choice], how: Duplicates
) -> Columns:
    copied = {i: g for i, (g, columns) in enumerate(places.items()) if len(columns) > 1}
    if copied and how == "refuse":
        raise DataError(
            f"{len(copied)} gene(s) occur more than once: {', '.join(list(copied.values())[:5])}; "
            "set normalize.duplicates to 'max_mean', 'mean' or 'first'"
        )
    column_g = np.array([columns[0] if columns else -1 for columns in places.values()], np.intp)
    if how == "mean":
        return Columns(column_g, {i: np.array(places[gene]) for i, gene in copied.items()})
    for i, gene in copied.items():
        column_g[i] = places[gene][choices[gene].copy if how == "max_mean" else 0]
    return Columns(column_g, {})


def _means(adata: AnnData, rows_n: NDArray[np.intp]) -> Floats:
    """Mean of each column over the training rows, missing values left out."""
    total_v, n_v = np.zeros(adata.n_vars), np.zeros(adata.n_vars)
    for x_nv in row_chunks(adata, rows_n):
        total_v += np.nansum(x_nv, axis=0)
        n_v += (~np.isnan(x_nv)).sum(axis=0)
    return total_v / np.maximum(1, n_v)
