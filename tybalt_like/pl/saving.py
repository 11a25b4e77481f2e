"""Figures on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tybalt_like.pl.theme import theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@theme
def save(figure: Figure, folder: Path, name: str) -> None:
    """Write ``folder/name.png`` (160 dpi) and ``folder/name.svg`` (points rasterised)."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", bbox_inches="tight")
    figure.set_layout_engine("none")  # everything has its place, also in the other format
    figure.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
