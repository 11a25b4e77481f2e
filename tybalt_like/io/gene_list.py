"""Lists of genes, such as those of a phenotype or a panel."""

from __future__ import annotations

from pathlib import Path

from tybalt_like.core.errors import DataError
from tybalt_like.io.source import Source

COLUMNS = ("gene", "genes", "gene_symbol", "symbol", "hgnc_symbol", "gene_name", "gene_id")
"""Names of the column that holds the genes, in a table with a header."""


def read_gene_list(path: str | Path) -> tuple[str, ...]:
    """Genes of a text file, one in each line, in its order and none twice.

    Of a table (tabs or commas) the column that a header calls gene, symbol or the like is taken,
    the first without such a header. Lines that begin with ``#`` are comments.

    Raises
    ------
    DataError
        If the file is missing, damaged or holds no gene.
    """
    source = Source(path)
    text = b"".join(source.blocks()).decode("utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    separator = "\t" if any("\t" in line for line in lines) else ","
    rows = [[cell.strip().strip('"') for cell in line.split(separator)] for line in lines]
    header = [cell.lower().replace(" ", "_") for cell in rows[0]] if rows else []
    named = [header.index(name) for name in COLUMNS if name in header]
    column, rows = (named[0], rows[1:]) if named else (0, rows)
    genes = tuple(dict.fromkeys(row[column] for row in rows if len(row) > column and row[column]))
    if not genes:
        raise DataError(f"{source.name}: no genes in it; give one in each line")
    return genes
