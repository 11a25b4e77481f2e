"""What a cohort can show, before anything is trained, and what it showed, in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tybalt_like.anomaly import Calibration
from tybalt_like.report.words import counted, listed, number

NAMED, GENES = 3, 5
"""Samples and genes that are named."""


def expectation(calibration: Calibration, *, tested: int, fdr: float, pooled: bool) -> str:
    """How small p-values can get, and what it takes to be flagged.

    Parameters
    ----------
    tested
        Samples that are asked about.
    pooled
        Whether they are the reference samples themselves, each compared with the others.
    """
    size = calibration.size - pooled
    said = f"{counted(size, 'reference unit' if calibration.unit_c else 'reference sample')}"
    if pooled:
        said = f"each sample is compared with {said.replace('reference ', 'other ')}"
    said += f": by ranks no p-value is below 1/{size + 1} = {number(1 / (size + 1), 2)}"
    if calibration.extrapolates:
        return (
            f"{said}; smaller ones are extrapolated from the largest quarter of the reference "
            f"scores, and a single sample of {tested:,} needs p <= {number(fdr / tested, 2)} to be "
            f"flagged at a false-discovery rate of {fdr:g}"
        )
    needed = int(np.ceil(tested / (fdr * (size + 1)) - 1e-9))
    if pooled or needed > tested:
        return f"{said}; that is too large for flags: read the scores as a ranking"
    if needed <= 1:
        return f"{said}; one sample that is stranger than all of them is flagged"
    return (
        f"{said}; of the {tested:,} tested, {needed:,} have to be stranger than all of them for "
        f"flags at a false-discovery rate of {fdr:g}"
    )


def strangest(
    p: pd.Series, extrapolated: pd.Series, *, beyond: int, reference: int, pooled: bool
) -> str:
    """Who is strangest, and how many are stranger than the whole reference; never nothing.

    Parameters
    ----------
    p, extrapolated
        Of the tested samples, the strangest first.
    beyond
        How many are stranger than every reference sample.
    reference
        Reference samples.
    """
    named = zip(p.head(NAMED).items(), extrapolated.head(NAMED), strict=True)
    names = [
        f"{sample} (p = {number(value, 2)}{', extrapolated' * bool(beyond_ranks)})"
        for (sample, value), beyond_ranks in named
    ]
    if not names:
        return "No sample was left to be tested."
    who = f"the strangest {'is' if len(names) == 1 else 'are'} {listed(names)}"
    if pooled:
        return f"Of {counted(len(p))}, each compared with all others, {who}."
    verb = "is" if beyond == 1 else "are"
    return (
        f"{counted(beyond)} {verb} stranger than every one of the {reference:,} reference samples; "
        f"{who}."
    )


def of_genes(genes: pd.DataFrame) -> pd.Series:
    """The first genes of each sample of `anomaly.gene_scores`: ``ESR1 down, MIA up``."""
    first = genes[genes["rank"] <= GENES]
    words = first["gene"].astype(str) + " " + first["direction"]
    return words.groupby(first["sample"], sort=False).agg(", ".join)
