"""A table of numbers before it is known which way round it is, and how that is found out."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.errors import DataError
from tybalt_like.io.layout import GENE_COLUMNS, UNNAMED

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.io.samples import SampleTable

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

    def drop_unnamed_rows(self) -> int:
        """Leave out rows whose name says that there is none; how many there were."""
        keep = np.array([row not in UNNAMED for row in self.rows])
        if not keep.all():
            ends = np.cumsum([len(block) for block in self.blocks])[:-1]
            pieces = np.split(keep, ends)
            self.blocks = [x[kept] for x, kept in zip(self.blocks, pieces, strict=True)]
            self.rows = [row for row, kept in zip(self.rows, keep, strict=True) if kept]
            self.row_data = self.row_data[keep] if len(self.row_data.columns) else self.row_data
        return int((~keep).sum())

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


class Orientation(NamedTuple):
    """Where the genes are, and why."""

    genes_in: Axis
    evidence: str


class _Clue(NamedTuple):
    weight: int
    """Positive: rows are genes. Negative: columns are."""
    words: str


_GENE_ID = re.compile(
    r"ENS[A-Z]{0,4}[GTP]\d{6,}|[NX][MR]_\d+|.+_(s_|x_|a_|f_|g_|i_|r_)?at$|ILMN_\d+|A_\d\d_P\d+"
    r"|[^|]+\|\d+$|b\d{4}$|(gene|probe)[_ -]?\d+$",
    re.IGNORECASE,
)
_SAMPLE_ID = re.compile(
    r"TCGA[-.]\w\w[-.]\w{4}|GS[MC]\d+|[SED]RR\d+|GTEX-|ACH-\d+|[ACGT]{12,}(-\d+)?$"
    r"|(sample|patient|subject|donor|case|cell|control|tumou?r|normal)[_ .-]?\w*\d+$",
    re.IGNORECASE,
)
_SYMBOL = re.compile(r"[A-Za-z][A-Za-z0-9]*([-.@][A-Za-z0-9]+)*")
_GENE_CORNER = re.compile(r"gene|symbol|ensembl|entrez|probe|transcript|id_ref|attrib", re.I)
_SAMPLE_CORNER = re.compile(r"sample|patient|barcode|subject|donor|submitter|cell", re.I)


def orientation(grid: Grid, table: SampleTable | None, *, name: str) -> Orientation:
    """Decide whether genes are in the rows or in the columns.

    Parameters
    ----------
    grid
        As read.
    table
        Sample table; where its ids match rows or columns, they decide.
    name
        Of the file, for messages.

    Raises
    ------
    DataError
        If nothing in the table tells.
    """
    if grid.genes_in is not None:
        return Orientation(grid.genes_in, "the format fixes it")
    if table is not None and (known := _known_samples(grid, table)):
        return known
    clues = list(_clues(grid))
    total = sum(clue.weight for clue in clues)
    if total == 0:
        raise DataError(
            f"{name}: it is not clear whether genes are in the rows or in the columns "
            f'({len(grid.rows)} x {len(grid.columns)}); say genes_in="rows" or "columns"'
        )
    agreeing = [clue.words for clue in clues if clue.weight * total > 0]
    return Orientation("rows" if total > 0 else "columns", "; ".join(agreeing))


def _known_samples(grid: Grid, table: SampleTable) -> Orientation | None:
    """By the sample table, if it knows at least half of the samples or they half of it; fewer
    matches, such as Entrez ids that equal some laboratory value, mean nothing."""
    in_rows, in_columns = table.hits(grid.rows), table.hits(grid.columns)
    if in_rows > in_columns:
        hits, names, found = in_rows, grid.rows, Orientation("columns", "rows")
    else:
        hits, names, found = in_columns, grid.columns, Orientation("rows", "columns")
    if in_rows == in_columns or 2 * hits < min(len(names), len(table.frame)):
        return None
    return found._replace(evidence=f"{hits} {found.evidence} are named in the sample table")


def _clues(grid: Grid) -> Iterable[_Clue]:
    for sign, axis, names in ((1, "row", grid.rows), (-1, "column", grid.columns)):
        shown = names[:: max(1, len(names) // 500)]
        if _share(_GENE_ID, shown) > 0.5:
            yield _Clue(4 * sign, f"{axis} names look like gene or probe ids ({shown[0]})")
        if _share(_SAMPLE_ID, shown) > 0.5:
            yield _Clue(-4 * sign, f"{axis} names look like samples ({shown[0]})")
    diverse_rows, diverse_columns = _symbol_stems(grid.rows), _symbol_stems(grid.columns)
    if max(diverse_rows, diverse_columns) > 0.3 and diverse_rows != diverse_columns:
        sign, axis = (1, "row") if diverse_rows > diverse_columns else (-1, "column")
        yield _Clue(2 * sign, f"{axis} names look like gene symbols")
    if _GENE_CORNER.search(grid.corner):
        yield _Clue(2, f"row names are called {grid.corner!r}")
    elif _SAMPLE_CORNER.search(grid.corner):
        yield _Clue(-2, f"row names are called {grid.corner!r}")
    for column in grid.row_data.columns:
        if str(column).lower() in GENE_COLUMNS:
            yield _Clue(4, f"column {column!r} describes genes")
            break
    n_rows, n_columns = len(grid.rows), len(grid.columns)
    if max(n_rows, n_columns) >= 2 * min(n_rows, n_columns):
        sign, more, fewer = (
            (1, "rows", "columns") if n_rows > n_columns else (-1, "columns", "rows")
        )
        yield _Clue(sign, f"there are many more {more} than {fewer}")


def _share(pattern: re.Pattern[str], names: Sequence[str]) -> float:
    return sum(pattern.match(name) is not None for name in names) / max(1, len(names))


def _symbol_stems(names: Sequence[str]) -> float:
    """Distinct names without digits, as a share: near 1 for TP53, GAPDH, ...; near 0 for S001,
    S002, ...; 0 if most names are no symbols."""
    shown = names[:: max(1, len(names) // 500)]
    if _fullshare(shown) < 0.5:
        return 0.0
    stems = len({re.sub(r"\d", "", name) for name in shown})
    return stems / len(shown) if stems >= 5 else 0.0


def _fullshare(names: Sequence[str]) -> float:
    return sum(_SYMBOL.fullmatch(name) is not None for name in names) / max(1, len(names))
