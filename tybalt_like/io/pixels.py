"""Images as samples x pixels: what every format of images ends in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core import keys, provenance
from tybalt_like.core.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

CHANNELS = {1: ("pixel",), 3: ("red", "green", "blue")}
"""Grey and RGB; a variable is called ``pixel_<row>_<column>`` or ``red_<row>_<column>``."""
SMALLEST, LARGEST = 2, 1024
"""Sides of an image, in pixels."""


def as_anndata(
    pixels: NDArray[np.uint8],
    *,
    name: str,
    samples: Sequence[str],
    labels: Sequence[str] | None = None,
    parts: Sequence[str] | None = None,
) -> AnnData:
    """Images as rows of numbers from 0 to 1.

    Parameters
    ----------
    pixels
        (n, height, width) or (n, height, width, channels), 0 to 255.
    name
        Of the file, for messages.
    samples
        Names of the images.
    labels
        Their classes, for ``obs["label"]``.
    parts
        Where they belong in the official division, for ``obs["part"]``: train, validation, test.

    Returns
    -------
    AnnData
        A row is the red pixels, row by row, then the green and the blue ones. The record says
        ``image``: ``{"shape": [channels, height, width]}``.

    Raises
    ------
    DataError
        If the images are not grey or RGB, not square, or tiny or huge; if labels do not fit.
    """
    from anndata import AnnData

    pixels_nhwc = pixels[..., None] if pixels.ndim == 3 else pixels
    _check(pixels, pixels_nhwc, name)
    n, height, width, n_channels = pixels_nhwc.shape
    obs = pd.DataFrame(index=pd.Index(list(samples), dtype=object))
    for column, values in ((keys.LABEL, labels), (keys.PART, parts)):
        if values is not None:
            if len(values) != n:
                raise DataError(f"{name}: {n:,} images, but {len(values):,} labels; mend the file")
            obs[column] = np.array(values, dtype=object)
    x_ng = np.ascontiguousarray(pixels_nhwc.transpose(0, 3, 1, 2)).reshape(n, -1)
    adata = AnnData(x_ng / np.float32(255), obs=obs, var=_var(n_channels, height, width))
    provenance.record(adata, image={"shape": [n_channels, height, width]})
    return adata


def _check(pixels: NDArray[Any], pixels_nhwc: NDArray[Any], name: str) -> None:
    if pixels.ndim < 3 or pixels_nhwc.ndim != 4 or pixels_nhwc.shape[3] not in CHANNELS:
        shape = " x ".join(map(str, pixels.shape)) or "nothing"
        raise DataError(
            f"{name}: an array of {shape} holds no images; they are n x height x width, or n x "
            "height x width x 3 for RGB"
        )
    n, height, width, _ = pixels_nhwc.shape
    if pixels_nhwc.dtype != np.uint8:
        raise DataError(
            f"{name}: pixels are {pixels_nhwc.dtype}; they must be whole numbers from 0 to 255 "
            "(uint8)"
        )
    if n == 0:
        raise DataError(f"{name}: there are no images in it")
    if height != width:
        raise DataError(
            f"{name}: images of {height} x {width} pixels are not square; make them so (a folder "
            "of images is resized by data.image_size)"
        )
    if not SMALLEST <= height <= LARGEST:
        raise DataError(
            f"{name}: images of {height} x {width} pixels; sides from {SMALLEST} to {LARGEST} can "
            "be read"
        )


def _var(n_channels: int, height: int, width: int) -> pd.DataFrame:
    channel, row, column = (a.ravel() for a in np.indices((n_channels, height, width)))
    words = CHANNELS[n_channels]
    names = [f"{words[c]}_{r}_{k}" for c, r, k in zip(channel, row, column, strict=True)]
    return pd.DataFrame(
        {"channel": channel, "row": row, "column": column}, index=pd.Index(names, dtype=object)
    )
