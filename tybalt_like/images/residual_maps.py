"""Images with their strange places, and images among which some are real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from tybalt_like.pl.theme import theme

Pictures = NDArray[np.uint8]
REAL = "#009E73"
"""Frame of the real images."""


@theme
def residual_maps(rows: Mapping[str, Pictures], *, columns: Sequence[str]) -> Figure:
    """Images in named rows, the last of them a map of differences in colour.

    Parameters
    ----------
    rows
        By name, (n, channels, height, width), 0 to 255; of the last row the only channel is the
        difference.
    columns
        What stands above each image.
    """
    n = len(columns)
    figure, axes = plt.subplots(
        len(rows), n, figsize=(0.85 * n + 1.3, 0.85 * len(rows) + 0.5), squeeze=False
    )
    *_, last = rows
    for row_axes, (name, pictures) in zip(axes, rows.items(), strict=True):
        for ax, picture in zip(row_axes, pictures, strict=True):
            _draw(ax, picture, cmap="inferno" if name == last else "gray")
        row_axes[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=6)
    for ax, title in zip(axes[0], columns, strict=True):
        ax.set_title(title, loc="center", fontsize=9, fontweight="normal")
    return figure


@theme
def image_guess(pictures: Pictures, real: NDArray[np.bool_]) -> Figure:
    """Images twice: as a question, and with the real ones framed.

    Parameters
    ----------
    pictures
        (rows, columns, channels, height, width), 0 to 255.
    real
        (rows, columns).
    """
    n_rows, n_columns = real.shape
    figure, both = plt.subplots(2, 1, figsize=(0.62 * n_columns, 1.24 * n_rows + 0.8))
    height, width = pictures.shape[3:]
    for ax, title in zip(both, ("Which are real?", "The framed ones are"), strict=True):
        canvas = np.full((n_rows, n_columns, pictures.shape[2], height + 4, width + 4), 255)
        canvas[..., 2:-2, 2:-2] = pictures
        mosaic = canvas.transpose(0, 3, 1, 4, 2)
        _draw(ax, np.moveaxis(mosaic.reshape(n_rows * (height + 4), -1, pictures.shape[2]), 2, 0))
        ax.set_title(title)
    for row, column in np.argwhere(real):
        corner = column * (width + 4), row * (height + 4)
        both[1].add_patch(
            Rectangle(corner, width + 3, height + 3, fill=False, ec=REAL, lw=2.2, clip_on=False)
        )
    return figure


def _draw(ax: Axes, picture: NDArray[np.integer], *, cmap: str = "gray") -> None:
    image = picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, 2).astype(np.uint8)
    ax.imshow(image, cmap=cmap, vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
