"""Which way round a table is: where the genes are, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tybalt_like.core.errors import DataError
from tybalt_like.io.grid import Axis, Grid
from tybalt_like.io.layout import GENE_COLUMNS
from tybalt_like.io.not_genes import not_genes

if TYPE_CHECKING:
    import pandas as pd

    from tybalt_like.io.samples import SampleTable


class Orientation(NamedTuple):
    """Where the genes are, and why."""

    genes_in: Axis
    evidence: str


class _Clue(NamedTuple):
    weight: int
    """Positive: rows are genes. Negative: columns are."""
    words: str


GENE_ID = re.compile(
    r"ENS[A-Z]{0,4}[GTP]\d{6,}|[NX][MR]_\d+|.+_(s_|x_|a_|f_|g_|i_|r_)?at$|ILMN_\d+|A_\d\d_P\d+"
    r"|[^|]+\|\d+$|(?-i:b)\d{4}$|(gene|probe)[_ -]?\d+$|AT[1-5MC]G\d{5}|Y[A-P][LR]\d{3}[WC]"
    r"|FBgn\d+|WBGene\d+|[a-z]{3}-(mir|let|miR)-",
    re.IGNORECASE,
)
_SAMPLE_ID = re.compile(
    r"TCGA[-.]\w\w[-.]\w{4}|GS[MC]\d+|[SED]RR\d+|GTEX-|ACH-\d+|[ACGT]{12,}(-\d+)?$"
    r"|(sample|patient|subject|donor|case|cell|control|tumou?r|normal)[_ .-]?\w*\d+$",
    re.IGNORECASE,
)
_WELL_KNOWN = """
    ACTB AKT1 ALB APOE APP AR ATM BCL2 BRCA1 BRCA2 CCND1 CD4 CD44 CD8A CDH1 CDK4 CDKN2A CTNNB1
    CXCL8 EGFR EPCAM ERBB2 ESR1 FN1 FOS FOXA1 GAPDH GATA3 HIF1A HLA-A IFNG IL6 INS JAK2 JUN KRAS
    KRT5 LMNA MAPK1 MKI67 MTOR MYC NFKB1 NOTCH1 NRAS PCNA PIK3CA PTEN RB1 RPLP0 SOX2 STAT1 STAT3
    TERT TGFB1 TNF TP53 UBC VEGFA VIM XIST
"""
_SYMBOL = re.compile(r"[A-Za-z][A-Za-z0-9]*([-.@][A-Za-z0-9]+)*")
_NUMBER = re.compile(r"\d+$")
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
    matches, such as Entrez ids that equal some laboratory value, mean nothing. Equal ids come
    first, and similar ones (`matching.find`) where they tell nothing."""
    for exactly in (True, False):
        rows, row_data = _some_of(grid.rows, grid.row_data, all_of=exactly)
        columns, column_data = _some_of(grid.columns, grid.column_data, all_of=exactly)
        in_rows = table.hits(rows, row_data, exactly=exactly)
        in_columns = table.hits(columns, column_data, exactly=exactly)
        if in_rows > in_columns:
            hits, names, found = in_rows, rows, Orientation("columns", "rows")
        else:
            hits, names, found = in_columns, columns, Orientation("rows", "columns")
        if in_rows != in_columns and 2 * hits >= min(len(names), len(table.frame)):
            return found._replace(evidence=f"{hits} {found.evidence} are named in the sample table")
    return None


def _some_of(
    names: Sequence[str], beside: pd.DataFrame, *, all_of: bool
) -> tuple[Sequence[str], pd.DataFrame]:
    """All names with what is known of them, or at most a thousand, evenly spread."""
    step = 1 if all_of else _step(names)
    return names[::step], beside.iloc[::step]


def _clues(grid: Grid) -> Iterator[_Clue]:
    for sign, axis, names in ((1, "row", grid.rows), (-1, "column", grid.columns)):
        shown = _shown(names)
        if _share(GENE_ID, shown) > 0.5:
            like = next(name for name in shown if GENE_ID.match(name))
            yield _Clue(4 * sign, f"{axis} names look like gene or probe ids ({like})")
        if _share(_SAMPLE_ID, shown) > 0.5:
            yield _Clue(-4 * sign, f"{axis} names look like samples ({shown[0]})")
        if (no_gene := not_genes(names)).any():
            said = names[int(no_gene.argmax())]
            yield _Clue(4 * sign, f"{axis} names include {said}, which is written beside genes")
        known = well_known(names)
        if len(known) >= 3:
            yield _Clue(4 * sign, f"{axis} names include {', '.join(known[:3])}")
    stems = _symbol_stems(grid.rows), _symbol_stems(grid.columns)
    if max(stems) > 0.3 and max(stems) > 2 * min(stems):
        sign, axis, others = (1, "row", grid.columns)
        if stems[1] > stems[0]:
            sign, axis, others = (-1, "column", grid.rows)
        # beside numbers, which may be patients or Entrez ids, cell lines look like symbols too
        weight = 1 if _share(_NUMBER, _shown(others)) > 0.5 else 2
        yield _Clue(weight * sign, f"{axis} names look like gene symbols")
    if _GENE_CORNER.search(grid.corner):
        yield _Clue(2, f"row names are called {grid.corner!r}")
    elif _SAMPLE_CORNER.search(grid.corner):
        yield _Clue(-2, f"row names are called {grid.corner!r}")
    texts = [str(column) for column in grid.row_data.columns]
    if about := next((column for column in texts if is_about_genes("", [column])), None):
        yield _Clue(4, f"column {about!r} describes genes")
    n_rows, n_columns = len(grid.rows), len(grid.columns)
    if max(n_rows, n_columns) >= 2 * min(n_rows, n_columns):
        sign, more, fewer = (
            (1, "rows", "columns") if n_rows > n_columns else (-1, "columns", "rows")
        )
        yield _Clue(sign, f"there are many more {more} than {fewer}")


def well_known(names: Sequence[str]) -> list[str]:
    """The human genes among them that nearly every platform measures."""
    return sorted(set(_WELL_KNOWN.split()).intersection(map(str.upper, names)))


def is_about_genes(corner: str, texts: Sequence[str]) -> bool:
    """Whether row names are called genes, or a text column describes genes."""
    return _GENE_CORNER.search(corner) is not None or any(
        str(column).lower() in GENE_COLUMNS for column in texts
    )


def _shown(names: Sequence[str]) -> Sequence[str]:
    """At most a thousand of them, evenly spread."""
    return names[:: _step(names)]


def _step(names: Sequence[str]) -> int:
    return max(1, len(names) // 500)


def _share(pattern: re.Pattern[str], names: Sequence[str]) -> float:
    return sum(pattern.match(name) is not None for name in names) / max(1, len(names))


def _symbol_stems(names: Sequence[str]) -> float:
    """Distinct names without digits, as a share: near 1 for TP53, GAPDH, ...; near 0 for S001,
    S002, ...; 0 if most names are no symbols."""
    shown = _shown(names)
    symbols = sum(_SYMBOL.fullmatch(name) is not None for name in shown)
    stems = len({re.sub(r"\d", "", name) for name in shown})
    return stems / len(shown) if 2 * symbols >= len(shown) and stems >= 5 else 0.0
