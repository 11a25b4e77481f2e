"""What people call genes."""

from __future__ import annotations

import re

import pandas as pd

from tybalt_like.genes.alignment import identifiers
from tybalt_like.genes.human_genes import human
from tybalt_like.genes.mapping import convert
from tybalt_like.genes.names import clean

_CALLED = re.compile(r"symbol|gene.?name", re.IGNORECASE)


def symbols(var: pd.DataFrame) -> dict[str, str]:
    """The symbol of each gene of a table, by its name: of human Ensembl and Entrez ids, or from the
    column that holds them; the gene's name where neither is known."""
    names = [str(name) for name in var.index]
    kind = human().kind(clean(names).names)
    if kind == "symbol":
        return dict(zip(names, names, strict=True))
    if kind is not None:
        known: list[str | None] = list(convert(names, to="symbol").names)
    else:
        columns = identifiers(var)
        called = [column for column in columns if _CALLED.search(column)]
        known = list(columns[called[0]]) if called else [None] * len(names)
    return {name: symbol or name for symbol, name in zip(known, names, strict=True)}
