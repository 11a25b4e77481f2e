"""Gene identifiers: clean them, map them, find the genes of a trained list in another matrix."""

from tybalt_like.genes.alignment import Alignment, align, identifiers, names_in
from tybalt_like.genes.gene_sets import gene_sets_in
from tybalt_like.genes.human_genes import HumanGenes, human
from tybalt_like.genes.mapping import Mapped, convert, rename
from tybalt_like.genes.names import Cleaned, clean

__all__ = [
    "Alignment",
    "Cleaned",
    "HumanGenes",
    "Mapped",
    "align",
    "clean",
    "convert",
    "gene_sets_in",
    "human",
    "identifiers",
    "names_in",
    "rename",
]
