"""Gene identifiers: clean them, map them, find the genes of a trained list in another matrix."""

from tybalt_like.genes.alignment import Alignment, align, identifiers, names_in, search_terms
from tybalt_like.genes.human_genes import HumanGenes, human
from tybalt_like.genes.mapping import Mapped, convert, rename
from tybalt_like.genes.names import Cleaned, clean
from tybalt_like.genes.symbols import symbols

__all__ = [
    "Alignment",
    "Cleaned",
    "HumanGenes",
    "Mapped",
    "align",
    "clean",
    "convert",
    "human",
    "identifiers",
    "names_in",
    "rename",
    "search_terms",
    "symbols",
]
