"""Images so small that a model learns them in a second."""

import numpy as np
import pytest
from anndata import AnnData

from tybalt_like import pp
from tybalt_like.io.pixels import as_anndata

SIDE = 8


def strokes(n: int, *, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Upright and level strokes at random places, and which they are."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 40, (n, SIDE, SIDE), dtype=np.uint8)
    upright = rng.random(n) < 0.5
    for image, up in zip(pixels, upright, strict=True):
        at = rng.integers(1, SIDE - 2)
        (image if up else image.T)[1:-1, at : at + 2] = rng.integers(180, 256)
    return pixels, ["up" if up else "level" for up in upright]


@pytest.fixture
def tiny_images() -> AnnData:
    pixels, labels = strokes(240)
    adata = as_anndata(
        pixels, name="strokes", samples=[f"s{i}" for i in range(len(pixels))], labels=labels
    )
    pp.split(adata, label="label", train=0.6, calibration=0.1)
    return adata
