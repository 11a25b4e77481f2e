"""Rows that programs put among the genes and that are none: reads without a gene, totals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.messages import some

_PATTERNS = {
    "htseq-count and DEXSeq": r"_{0,2}(no_?feature|ambiguous(_readpair_position)?|too_low_aqual"
    r"|not_aligned|alignment_not_unique)|_(empty|lowaqual|notaligned)",
    "STAR": r"N_(unmapped|multimapping|nofeature|ambiguous)",
    "featureCounts": r"assigned|unassigned_\w+",
    "samtools": r"\*",
    "any": r"\W*(ambiguous|unmapped)|(grand[ _])?total|total[ _](counts|reads)",
}
"""By the program that writes them."""

_NOT_A_GENE = re.compile("|".join(f"(?:{p})" for p in _PATTERNS.values()), re.IGNORECASE)
_CONTROL = re.compile(r"ERCC[-_]\d{5}|SIRV\d\w*|AFFX[-_].+|(g?spike[-_]?in|phix)\w*", re.I)


def not_genes(names: Iterable[str]) -> NDArray[np.bool_]:
    """Which names stand for reads that are on no gene, or for a total."""
    return np.array([_NOT_A_GENE.fullmatch(name) is not None for name in names], dtype=bool)


def left_out(names: Sequence[str]) -> str:
    """What is said of such rows."""
    return f"rows that are no genes, left out: {len(names)} ({some(names)})"


def controls(names: Iterable[str]) -> list[str]:
    """A sentence if there are spike-ins or control probes, which are measured and kept."""
    found = [name for name in names if _CONTROL.fullmatch(name)]
    if not found:
        return []
    return [f"spike-ins or control probes among the genes, kept: {len(found)} ({some(found)})"]
