"""A table of numbers before it is known which way round it is."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.io.layout import UNNAMED
from tybalt_like.io.not_genes import left_out, not_genes

if TYPE_CHECKING:
    from anndata import AnnData

Axis = Literal["rows", "columns"]


@dataclass
class Grid:
    """What a file of numbers says.

    Parameters
    ----------
    blocks
        The matrix as float32 pieces of consecutive rows, each (some rows, n columns).
    rows, columns
        Their names.
    row_data, column_data
        What else is known about them, in the same order, without an index of their own.
    corner
        What the file calls its row names.
    genes_in
        Which of them are genes, where the format fixes it.
    notes
        Sentences about what was understood.
    """

    blocks: list[NDArray[np.float32]]
    rows: list[str]
    columns: list[str]
    row_data: pd.DataFrame = field(default_factory=pd.DataFrame)
    column_data: pd.DataFrame = field(default_factory=pd.DataFrame)
    corner: str = ""
    genes_in: Axis | None = None
    notes: list[str] = field(default_factory=list)

    def keep_rows(self, keep: NDArray[np.bool_]) -> None:
        """Leave out the other rows."""
        ends = np.cumsum([len(block) for block in self.blocks])[:-1]
        pieces = np.split(keep, ends)
        self.blocks = [x[kept] for x, kept in zip(self.blocks, pieces, strict=True)]
        self.rows = list(compress(self.rows, keep))
        self.row_data = self.row_data[keep] if len(self.row_data.columns) else self.row_data

    def keep_columns(self, keep: NDArray[np.bool_]) -> None:
        """Leave out the other columns."""
        self.blocks = [x[:, keep] for x in self.blocks]
        self.columns = list(compress(self.columns, keep))
        if len(self.column_data.columns):
            self.column_data = self.column_data[keep]

    def keep_genes(self, genes_in: Axis) -> list[str]:
        """Leave out rows or columns that are no genes, and rows without a name; what was, in
        words."""
        names = self.rows if genes_in == "rows" else self.columns
        others, notes = not_genes(names), []
        if others.any():
            notes.append(left_out(list(compress(names, others))))
            (self.keep_rows if genes_in == "rows" else self.keep_columns)(~others)
        if genes_in == "rows":
            named = np.array([row not in UNNAMED for row in self.rows], dtype=bool)
            if not named.all():
                notes.append(f"genes without a name, left out: {(~named).sum()}")
                self.keep_rows(named)
        return notes

    def matrix(self, *, transposed: bool) -> NDArray[np.float32]:
        """The whole matrix in C order. Empties `blocks` on the way to need memory only once."""
        shape = (len(self.rows), len(self.columns))
        x = np.empty(shape[::-1] if transposed else shape, np.float32)
        view, start = (x.T if transposed else x), 0
        self.blocks.reverse()
        while self.blocks:
            block = self.blocks.pop()
            view[start : start + len(block)] = block
            start += len(block)
        return x

    def anndata(self, genes_in: Axis) -> AnnData:
        """Samples x genes."""
        from anndata import AnnData

        transposed = genes_in == "rows"
        obs = _named(self.row_data, self.rows)
        var = _named(self.column_data, self.columns)
        if transposed:
            obs, var = var, obs
        with repeated_genes_allowed():
            return AnnData(self.matrix(transposed=transposed), obs=obs, var=var)


@contextmanager
def repeated_genes_allowed() -> Iterator[None]:
    """Without anndata's warning: the normalisation finds repeated genes and deals with them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*names are not unique", category=UserWarning)
        yield


def _named(data: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    columns = {str(name): column.to_numpy() for name, column in data.items()}
    return pd.DataFrame(columns, index=np.array(names, dtype=object))
