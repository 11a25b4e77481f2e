"""What a displacement of new samples from the reference means, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Outcome = Literal["fine", "undecidable", "refused", "shifted"]

# Chosen on the `select` half of the cohorts (tests/benchmarks domain), reported on the other half.
SMALL = 0.15
"""A displacement of so many standard deviations per gene leaves p-values as they are."""
UNEXPLAINED, FEW_GENES, MODERATE = 0.3, 2.0, 0.6
"""Biology: less than this share left by the principal axes, or root mean square over typical
displacement of a gene beyond this; and not more than so many standard deviations per gene."""
LEVEL, LEVEL_OF_ONE = 0.5, 0.6
"""Refused: a larger share is a function of the expression level, of several samples or of one."""
FAR, SEVERAL = 1.2, 8
"""Refused: the typical gene is displaced by more standard deviations, in so many samples."""


@dataclass(frozen=True)
class Verdict:
    """Whether the p-values of some samples hold.

    Attributes
    ----------
    outcome
        ``"fine"``: nothing speaks against it. ``"undecidable"``: a shift, or samples all of a new
        kind. ``"refused"``: another scale or platform. ``"shifted"``: controls show a shift, which
        is to be taken off (`anomaly.recalibration`).
    sentence
        Why, for people.
    n_samples
        Samples looked at.
    lowest, limit
        Displacement that nine samples in ten exceed, in standard deviations of reference samples
        along it, and what it exceeds in one query of a hundred without a shift. Of a single
        sample, the typical deviation of its genes.
    size
        Standard deviations, of a gene among reference samples, that a shift of all genes at
        random would need to look like it.
    unexplained
        What the principal axes of the reference leave of it, by what they leave of such a shift.
    few_genes
        Root mean square over typical displacement of a gene: 1 if all are displaced alike.
    level
        Share of it that is a smooth function of the expression level.
    """

    outcome: Outcome
    sentence: str
    n_samples: int
    lowest: float
    limit: float
    size: float = 0.0
    unexplained: float = 0.0
    few_genes: float = 1.0
    level: float = 0.0


class Displacement(NamedTuple):
    """The figures of a `Verdict` that describe a displacement."""

    size: float
    unexplained: float
    few_genes: float
    level: float


Said = tuple[Outcome, str]
"""An outcome, and why."""
CONDITION = (
    "p-values hold only if these were measured as the reference was; otherwise give controls, "
    "normal samples measured with them"
)
ALL_ARE_FINE: Said = ("fine", "the new samples are not displaced as a whole")
ONE_IS_FINE: Said = ("fine", "its genes are no further off than those of reference samples")
ONE_IS_OFF: Said = (
    "undecidable",
    "its genes are further off than those of reference samples nearly throughout: the sample "
    f"itself, or where it was measured; {CONDITION}",
)


def said_of_all(displacement: Displacement, *, n: int) -> Said:
    """What a displacement of all of n samples means."""
    size, unexplained, few_genes, level = displacement
    by = f"by {size:.2g} standard deviations in the typical gene"
    if size < SMALL:
        return "fine", f"the new samples are displaced as a whole, but only {by}"
    if level > LEVEL:
        return "refused", _of_level(level)
    if size > FAR and n >= SEVERAL:
        return "refused", f"the new samples are displaced {by}: another platform or preparation"
    if size < MODERATE and unexplained < UNEXPLAINED:
        return "fine", (
            "the new samples are displaced as a whole, but along the programmes in which the "
            f"reference varies, which leave {unexplained:.0%} of what they leave of a shift"
        )
    if size < MODERATE and few_genes > FEW_GENES:
        return "fine", "the new samples are displaced as a whole, but in few genes"
    return "undecidable", (
        f"the new samples are displaced as a whole, {by} and regardless of how genes vary "
        f"together: another laboratory, or samples all of one new kind; {CONDITION}"
    )


def said_of_one(displacement: Displacement) -> Said:
    """What it means that the typical gene of a single sample is further off than usual."""
    if displacement.level > LEVEL_OF_ONE:
        return "refused", _of_level(displacement.level)
    return ONE_IS_OFF


def _of_level(level: float) -> str:
    return (
        f"genes are displaced by how strongly they are expressed ({level:.0%} of the "
        "displacement): another scale or normalisation"
    )
