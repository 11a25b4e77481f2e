"""Sheets of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pl.theme import legible, theme

PIXEL = 0.02
"""Inches per pixel of the images: figures with 28 pixels per digit stay small."""
GAP = 2
"""Pixels between images."""
WIDEST = 13.0


@theme
def image_rows(
    rows: Mapping[str, NDArray[np.uint8]], *, columns: Sequence[str] = (), mark: int | None = None
) -> Figure:
    """Images in named rows.

    Parameters
    ----------
    rows
        By name, (n, channels, height, width) or, of several rows, (rows, n, channels, height,
        width), 0 to 255; the name stands beside the first.
    columns
        Names of the columns.
    mark
        A column to be framed.

    Raises
    ------
    DataError
        If there are no rows.
    """
    if not rows:
        raise DataError("no images to draw")
    blocks = {name: a if a.ndim == 5 else a[None] for name, a in rows.items()}
    sheet = np.concatenate(list(blocks.values()))
    names = [name if i == 0 else "" for name, a in blocks.items() for i in range(len(a))]
    figure, ax = plt.subplots(figsize=_size(sheet, beside=1.6))
    _draw(ax, sheet)
    down, across = (
        np.arange(n) * (side + GAP) + (side - 1) / 2
        for n, side in zip(sheet.shape[:2], sheet.shape[3:], strict=True)
    )
    ax.set_yticks(down, [legible(name, width=22) for name in names])
    if columns:
        ax.set_xticks(across, list(columns))
        ax.xaxis.tick_top()
    if mark is not None:
        reach = (sheet.shape[4] + GAP) / 2
        left, right = across[mark] - reach, across[mark] + reach
        ax.axvspan(left, right, fill=False, ec="#D55E00", lw=1.5, clip_on=False)
    return figure


@theme
def image_sheets(
    sheets: Mapping[str, NDArray[np.uint8]], *, x: str = "", y: str = "", side: float = 4.6
) -> Figure:
    """Images in sheets beside each other, each with its name above.

    Parameters
    ----------
    sheets
        By name, (rows, columns, channels, height, width), 0 to 255.
    x, y
        What changes from left to right and from bottom to top.
    side
        Width of a sheet in inches.

    Raises
    ------
    DataError
        If there are no sheets.
    """
    if not sheets:
        raise DataError("no images to draw")
    n_columns = min(len(sheets), 3)
    n_rows = -(-len(sheets) // n_columns)
    first = next(iter(sheets.values()))
    aspect = first.shape[0] * first.shape[3] / (first.shape[1] * first.shape[4])
    size = (side * n_columns, (side * aspect + 0.35) * n_rows)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (name, sheet) in zip(axes.flat, sheets.items(), strict=False):
        ax.set_axis_on()
        _draw(ax, sheet)
        ax.set(title=legible(name, width=40), xlabel=x, ylabel=y)
    return figure


def _draw(ax: Axes, sheet: NDArray[np.uint8]) -> None:
    grey = sheet.shape[2] == 1
    image = _mosaic(sheet)
    ax.imshow(image[..., 0] if grey else image, cmap="gray", vmin=0, vmax=255, aspect="equal")
    ax.set(xticks=[], yticks=[])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _mosaic(sheet: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One white-ruled image, (height, width, channels)."""
    n_rows, n_columns, channels, height, width = sheet.shape
    ruled = np.full((n_rows, n_columns, channels, height + GAP, width + GAP), 255, np.uint8)
    ruled[..., :height, :width] = sheet
    whole = ruled.transpose(0, 3, 1, 4, 2)
    return whole.reshape(n_rows * (height + GAP), n_columns * (width + GAP), channels)


def _size(sheet: NDArray[np.uint8], *, beside: float) -> tuple[float, float]:
    """Inches of a figure with a sheet and names beside it."""
    n_rows, n_columns, _, height, width = sheet.shape
    wide = min(max(n_columns * (width + GAP) * PIXEL, 4.0), WIDEST)
    return wide + beside, wide * n_rows * (height + GAP) / (n_columns * (width + GAP)) + 0.4
