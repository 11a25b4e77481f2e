"""How far a count must be off to be called: what a cohort of this size can find, and what not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tybalt_like.aberrant.reference import Tested
from tybalt_like.aberrant.tails import Tails

FAR = 100
"""Larger fold changes are not told apart."""


class Reach(NamedTuple):
    """Smallest fold changes that are called where a sample has no other aberrant gene.

    Attributes
    ----------
    up, down
        Observed over expected, of the gene with the median noise.
    quiet_up, quiet_down
        The same of a gene that is quieter than nine in ten.
    """

    up: float
    down: float
    quiet_up: float
    quiet_down: float

    def __str__(self) -> str:
        up, down, quiet_up, quiet_down = (
            _times(fold) for fold in (self.up, 1 / self.down, self.quiet_up, 1 / self.quiet_down)
        )
        return (
            f"a single count is called if it is {up} more or {down} less than expected in the "
            f"typical gene, {quiet_up} or {quiet_down} in the quietest tenth"
        )


def reach(tested: Tested, tails: Tails, *, alpha: float) -> Reach:
    """What the p-value that a lone call takes means in fold changes of the genes."""
    known_g = ~np.isnan(tested.p_ng).any(axis=0)
    m = int(known_g.sum())
    p = alpha / (m * float((1 / np.arange(1, m + 1)).sum()))
    size_g = np.median(np.abs(tested.l2fc_ng[:, known_g]), axis=0)
    unit_g = size_g / np.maximum(np.median(np.abs(tested.z_ng[:, known_g]), axis=0), 1e-9)
    typical, quiet = np.quantile(unit_g, [0.5, 0.1])
    up, down = tails.up.quantile(p), tails.down.quantile(p)
    return Reach(*(float(np.exp2(far * unit)) for unit in (typical, quiet) for far in (up, -down)))


def _times(fold: float) -> str:
    return f"{fold:.2g} times" if fold < FAR else f"over {FAR} times"
