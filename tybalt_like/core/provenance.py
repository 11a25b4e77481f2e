"""What was done to an AnnData, as one JSON string in ``uns["tybalt_like"]``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData


def recorded(adata: AnnData) -> dict[str, Any]:
    """Everything recorded so far; empty if nothing was.

    Raises
    ------
    DataError
        If a file held something else in that place.
    """
    try:
        return dict(json.loads(adata.uns.get(keys.UNS, "{}")))
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"uns[{keys.UNS!r}] of these samples is no record of this package; remove it"
        ) from error


def record(adata: AnnData, **entries: Any) -> None:
    """Add entries of plain JSON values, replacing those of the same name."""
    adata.uns[keys.UNS] = json.dumps(recorded(adata) | entries)


def reading_notes(adata: AnnData) -> list[str]:
    """How it was read, in sentences, what is doubtful last; empty if that is not recorded."""
    reading = recorded(adata).get("reading", {})
    return [*reading.get("notes", []), *reading.get("warnings", [])]


def is_images(adata: AnnData) -> bool:
    """Whether the samples were read as images."""
    return "image" in recorded(adata)


def image_shape(adata: AnnData) -> tuple[int, int, int]:
    """Channels, height and width of the images that were read.

    Raises
    ------
    DataError
        If the samples are no images, or not all of their pixels are here.
    """
    image = recorded(adata).get("image")
    if image is None:
        raise DataError("these samples are no images: nothing is recorded about their shape")
    channels, height, width = image["shape"]
    if channels * height * width != adata.n_vars:
        raise DataError(
            f"images of {channels} x {height} x {width} have not {adata.n_vars} pixels; keep all "
            'with normalize.select = "all"'
        )
    return int(channels), int(height), int(width)
