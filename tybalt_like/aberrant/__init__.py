"""Genes with aberrant counts in single samples."""

from tybalt_like.aberrant.analysis import aberrant
from tybalt_like.aberrant.reference import Reference, Tested

__all__ = ["Reference", "Tested", "aberrant"]
