"""From settings and the scale of the values to the transforms of a sample."""

from __future__ import annotations

import numpy as np

from tybalt_like.core.errors import DataError
from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.scale import FAMILY, Detected
from tybalt_like.pp.settings import Normalisation
from tybalt_like.pp.transforms.base import SampleTransform, Transform
from tybalt_like.pp.transforms.log import Log1p, Log2
from tybalt_like.pp.transforms.quantile import Quantile

ARRAY_FLOOR = 20.0
"""Floor of raw array intensities before the logarithm, as is usual for Affymetrix' average
difference values (Golub et al., Science 286:531, 1999): what lies below is background."""


def sample_transforms(
    settings: Normalisation, found: Detected, x_ng: Floats
) -> list[type[SampleTransform] | Transform]:
    """Transforms before the selection of genes, in order; classes are still to be fitted.

    Parameters
    ----------
    found
        Scale of the training values.
    x_ng
        Some of them.

    Raises
    ------
    DataError
        If a logarithm is asked for of values on a log scale, or library sizes of values that are
        no counts, or nearly all values lie below the floor.
    """
    linear = FAMILY[found.scale] in ("counts", "linear")
    steps: list[type[SampleTransform] | Transform] = []
    library = settings.library
    if library == "auto":
        library = "cpm" if found.scale == "counts" else "none"
    if library != "none":
        if not linear or found.scale == "raw_intensity":
            raise DataError(
                f"normalize.library is {library!r}, but the values look {found.scale} "
                f"({found.evidence}); set normalize.library to 'none'"
            )
        kind = Transform.registry[library]
        assert issubclass(kind, SampleTransform)
        steps.append(kind)
    if not linear and settings.log in ("yes", "log1p"):
        raise DataError(
            f"normalize.log is {settings.log!r}, but the values look {found.scale} already "
            f"({found.evidence}); leave normalize.log at 'auto', or overrule with normalize.units"
        )
    if linear and settings.log != "no":
        floor = settings.floor or (ARRAY_FLOOR if found.scale == "raw_intensity" else 0.0)
        _check_floor(floor, x_ng)
        steps.append(Log1p(floor) if settings.log == "log1p" else Log2(floor))
    if settings.quantile:
        steps.append(Quantile)
    return steps


def _check_floor(floor: float, x_ng: Floats) -> None:
    share = float(np.mean(x_ng[np.isfinite(x_ng)] <= floor)) if floor else 0.0
    if share > 0.9:
        raise DataError(
            f"{share:.0%} of the values lie below the floor of {floor:g} and would become one "
            "value; set normalize.floor lower"
        )
