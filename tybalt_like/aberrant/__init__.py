"""Genes with aberrant counts in single samples, in the manner of OUTRIDER."""

from tybalt_like.aberrant.reference import Reference, Tested
from tybalt_like.aberrant.verb import aberrant

__all__ = ["Reference", "Tested", "aberrant"]
