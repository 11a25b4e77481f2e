"""The table of human gene identifiers that comes with the package."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from tybalt_like.core.errors import DataError
from tybalt_like.genes.names import RENAMED

Kind = Literal["symbol", "entrez", "ensembl"]

_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE / "_data", _PACKAGE.parent / "data")
"""Inside an installed package, or beside it in a checkout."""
CHROMOSOME = "chromosome "
"""Beginning of the names of `chromosome_sets`."""


@dataclass(frozen=True)
class HumanGenes:
    """Identifiers of human genes, NCBI Gene of 2022-09; a gene is known by its row number.

    Attributes
    ----------
    names
        For each kind of identifier, that of every gene; the first one if a gene has several,
        empty if it has none.
    rows
        For each kind of identifier, the gene that it stands for.
    aliases
        Former and other symbols that stand for one gene only and are no gene's symbol today.
    chromosomes
        Where every gene is: ``"1"``, ..., ``"X"``, ``"Y"``, ``"MT"``; empty if that is not known.
    """

    names: dict[Kind, list[str]]
    rows: dict[Kind, dict[str, int]]
    aliases: dict[str, int]
    chromosomes: list[str]

    def kind(self, names: Collection[str]) -> Kind | None:
        """Which kind of identifier these names are for the most part, or None.

        Three in ten is enough: annotations age, and half of an old one may be unknown today.
        """
        known = self.rows | {"symbol": self.rows["symbol"] | self.aliases}
        shares = {
            kind: sum(name in rows for name in names) / max(1, len(names))
            for kind, rows in known.items()
        }
        best = max(shares, key=lambda kind: shares[kind])
        return best if shares[best] >= 0.3 else None


def chromosome_sets() -> dict[str, tuple[str, ...]]:
    """The symbols of each chromosome's genes, as gene sets: features of tumours are often gains and
    losses."""
    table, sets = human(), dict[str, list[str]]()
    for symbol, chromosome in zip(table.names["symbol"], table.chromosomes, strict=True):
        if symbol and chromosome.isalnum() and chromosome != "Un":
            sets.setdefault(f"{CHROMOSOME}{chromosome}", []).append(symbol)
    return {name: tuple(symbols) for name, symbols in sets.items()}


@cache
def human() -> HumanGenes:
    """Read the table, once.

    Raises
    ------
    DataError
        If the installation lacks it.
    """
    for place in _PLACES:
        path = place / "genes" / "human_genes.tsv.gz"
        if path.is_file():
            with gzip.open(path, "rt", encoding="utf-8") as file:
                return _indexed(line.rstrip("\n").split("\t") for line in file)
    raise DataError("the table of human genes is not installed; reinstall tybalt-like")


def _indexed(lines: Iterable[list[str]]) -> HumanGenes:
    lines = iter(lines)
    header = next(lines)
    genes = [dict(zip(header, line, strict=True)) for line in lines]
    genes.sort(key=lambda gene: gene["type"] != "protein-coding")  # these win a shared id
    ids: dict[Kind, list[list[str]]] = {
        "symbol": [[gene["symbol"]] for gene in genes],
        "entrez": [[gene["entrez_id"]] for gene in genes],
        "ensembl": [gene["ensembl_id"].split("|") for gene in genes],
    }
    rows: dict[Kind, dict[str, int]] = {kind: {} for kind in ids}
    for kind, listed in ids.items():
        for row, names in enumerate(listed):
            for name in filter(None, names):
                rows[kind].setdefault(name, row)
    owners: dict[str, set[int]] = {}
    for row, gene in enumerate(genes):
        for alias in filter(None, gene["aliases"].split("|")):
            owners.setdefault(alias, set()).add(row)
    aliases = {
        alias: next(iter(rows_of))
        for alias, rows_of in owners.items()
        if len(rows_of) == 1 and alias not in rows["symbol"]
    }
    aliases |= {old: rows["symbol"][new] for old, new in RENAMED.items() if new in rows["symbol"]}
    first = {kind: [names[0] for names in listed] for kind, listed in ids.items()}
    return HumanGenes(first, rows, aliases, [gene["chromosome"] for gene in genes])
