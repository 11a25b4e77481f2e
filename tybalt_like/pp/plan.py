"""From settings and a detected scale to the list of transforms."""

from __future__ import annotations

from tybalt_like.errors import DataError
from tybalt_like.pp.base import GeneTransform, Transform
from tybalt_like.pp.library import CPM
from tybalt_like.pp.log import Log2
from tybalt_like.pp.scale import FAMILY, Detected
from tybalt_like.pp.settings import Normalisation
from tybalt_like.pp.zero_one import ZeroOne
from tybalt_like.pp.zscore import ZScore

ARRAY_FLOOR = 20.0
"""Floor of raw array intensities before the logarithm, as is usual for Affymetrix' average
difference values (Golub et al. 1999): what lies below is noise around the background."""

GENE_SCALES: dict[str, type[GeneTransform]] = {"zero_one": ZeroOne, "zscore": ZScore}


def sample_transforms(
    settings: Normalisation, found: Detected
) -> list[type[Transform] | Transform]:
    """Transforms before the selection of genes, in order; classes are still to be fitted.

    Raises
    ------
    DataError
        If a logarithm is asked for of values that are on a log scale.
    """
    family = FAMILY[found.scale]
    if settings.log == "yes" and family not in ("counts", "linear"):
        raise DataError(
            f"normalize.log is 'yes', but the values look {found.scale} already "
            f"({found.evidence}); leave normalize.log at 'auto'"
        )
    if settings.log == "no" or family not in ("counts", "linear"):
        return []
    if found.scale == "raw_intensity":
        return [Log2(floor=ARRAY_FLOOR, offset=0.0)]
    return [CPM, Log2()] if found.scale == "counts" else [Log2()]
