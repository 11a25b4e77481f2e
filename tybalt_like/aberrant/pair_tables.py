"""What was found, as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tybalt_like.aberrant.reference import Tested
from tybalt_like.aberrant.statistics import Floats

COLUMNS = ["gene", "sample", "pvalue", "padjust", "zscore", "l2fc", "expected", "observed"]
TOP_GENES = 10
"""Significant genes named per sample."""


def pairs(tested: Tested, *, alpha: float) -> pd.DataFrame:
    """Every tested pair of gene and sample, columns `COLUMNS`: significant ones first, then by
    p-value.

    p-values have six significant digits, fold changes and z-scores four decimals, expected counts
    two.
    """
    n, g = tested.p_ng.shape
    p = tested.p_ng.ravel()
    order = np.lexsort((-np.abs(tested.z_ng).ravel(), p, ~(tested.padj_ng.ravel() <= alpha)))
    order = order[~np.isnan(p[order])]
    genes, samples = np.array(tested.genes, dtype=object), np.array(tested.samples, dtype=object)
    columns = {
        "gene": np.tile(genes, n)[order],
        "sample": np.repeat(samples, g)[order],
        "pvalue": _significant(p[order]),
        "padjust": _significant(tested.padj_ng.ravel()[order]),
        "zscore": tested.z_ng.ravel()[order].round(4),
        "l2fc": tested.l2fc_ng.ravel()[order].round(4),
        "expected": tested.expected_ng.ravel()[order].round(2),
        "observed": tested.observed_ng.ravel()[order].astype(np.int64),
    }
    return pd.DataFrame(columns)


def summary(tested: Tested, *, alpha: float) -> pd.DataFrame:
    """One row per sample, most aberrant genes first.

    Columns: ``size_factor``, ``tested`` genes, ``aberrant`` ones and how many of them are ``up``
    and ``down``, the smallest ``padjust``, and the ``genes``, most significant first.
    """
    called_ng = tested.padj_ng <= alpha
    named = []
    for p_g, called_g in zip(tested.p_ng, called_ng, strict=True):
        top = np.argsort(p_g, kind="stable")[: min(TOP_GENES, called_g.sum())]
        named.append(", ".join(tested.genes[i] for i in top))
    table = pd.DataFrame(
        {
            "size_factor": tested.size_n.round(4),
            "tested": (~np.isnan(tested.p_ng)).sum(axis=1),
            "aberrant": called_ng.sum(axis=1),
            "up": (called_ng & (tested.l2fc_ng > 0)).sum(axis=1),
            "down": (called_ng & (tested.l2fc_ng < 0)).sum(axis=1),
            "padjust": _significant(np.nanmin(tested.padj_ng, axis=1)),
            "genes": named,
        },
        index=pd.Index(tested.samples, name="sample"),
    )
    return table.sort_values(["aberrant", "padjust"], ascending=[False, True], kind="stable")


def _significant(values: Floats, digits: int = 6) -> Floats:
    """Rounded to significant digits; 0 stays 0."""
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log10(values))
    scale = 10.0 ** np.clip(digits - 1 - exponent, -300, 300)
    return np.asarray(np.round(values * scale) / scale)
