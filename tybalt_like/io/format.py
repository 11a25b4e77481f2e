"""What a file format is to this package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tybalt_like.io.grid import Grid
from tybalt_like.io.source import Source

if TYPE_CHECKING:
    from anndata import AnnData


Chooser = Callable[[Sequence[str], Sequence[str]], NDArray[np.intp]]
"""Rising row numbers of the samples to read, by the names of all samples and genes."""


class Noted(NamedTuple):
    """Samples x genes, with sentences about what was understood."""

    adata: AnnData
    notes: list[str]


@dataclass(frozen=True)
class Format:
    """A format is recognised by content, then by extension.

    Parameters
    ----------
    name
        As users know it.
    recognises
        Whether the source is of this format; formats exclude one another.
    read
        A `Grid` if either orientation is possible, else an AnnData of samples x genes.
    takes
        `Options` that it understands beside those that all do; `read` gets them as keywords.
    opened
        For formats of which some samples can be read without the others: the file or folder as
        anndata lays it out, which is closed at the end of a ``with`` block.
    """

    name: str
    recognises: Callable[[Source], bool]
    read: Callable[..., Grid | AnnData | Noted]
    takes: tuple[str, ...] = ()
    opened: Callable[[Source], Any] | None = None
