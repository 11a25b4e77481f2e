"""Colours that everybody can tell apart, and that a label keeps in every figure of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd


class Style(NamedTuple):
    """How one label is drawn: colour as hex, matplotlib marker."""

    color: str
    marker: str


Palette = Mapping[str, Style]

# Okabe & Ito (2008); yellow last, because it is faint on white.
_OKABE_ITO = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7"),
    *("#56B4E9", "#D55E00", "#000000", "#F0E442"),
)
# Tol's "muted" scheme (2021) without cyan, which is too close to the sky blue above.
_TOL_MUTED = (
    *("#332288", "#999933", "#882255", "#44AA99"),
    *("#DDCC77", "#CC6677", "#117733", "#AA4499"),
)
_MARKERS = "o^sDvPX*"

MISSING = Style("#C4C4C4", "o")
"""Style of samples without a label."""
SEQUENTIAL = "viridis"
"""Colour map of numbers."""
UP, DOWN = "#D55E00", "#0072B2"
"""Colours of more and less than expected; `DIVERGING` runs between the same hues."""
DIVERGING = "RdBu_r"


def styles(labels: Iterable[object], *, first: Sequence[str] = ()) -> dict[str, Style]:
    """A style for each label.

    Eight colours with circles, eight others with triangles, then lighter ones with other markers:
    no colour comes twice within 48 labels.

    Parameters
    ----------
    labels
        Values of a label column; repeats and missing ones (None, NaN, "") are fine.
    first
        Labels that come first whether or not they occur, so that they keep their colours in
        tables that hold other samples; the rest follows in alphabetical order.
    """
    return {label: style(i) for i, label in enumerate(ordered(labels, first=first))}


def ordered(labels: Iterable[object], *, first: Sequence[str] = ()) -> list[str]:
    """The labels, each once, in the order in which `styles` gives out styles."""
    rest = sorted(set(clean(labels)) - {""} - set(first))
    return list(dict.fromkeys([*first, *rest]))


def clean(labels: Iterable[object]) -> pd.Series:
    """Labels as text; missing ones become the empty string."""
    values = pd.Series(labels, dtype=object)
    return values.where(values.notna(), "").astype(str)


def style(i: int) -> Style:
    """That of the label at place `i`."""
    tier, place = divmod(i, 8)
    color = (_TOL_MUTED if tier % 2 else _OKABE_ITO)[place]
    for _ in range(tier // 2 % 3):
        color = _lighter(color)
    return Style(color, _MARKERS[tier % len(_MARKERS)])


def _lighter(color: str) -> str:
    """A third of the way to white."""
    parts = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{part + (255 - part) // 3:02X}" for part in parts)
