"""How much a gene varies, and which genes vary most."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pp.matrix import Floats


def median(x_ng: Floats) -> Floats:
    """Median; `np.nanmedian` alone is several times slower where nothing is missing."""
    gaps = np.isnan(x_ng).any()
    return np.asarray(np.nanmedian(x_ng, axis=0) if gaps else np.median(x_ng, axis=0))


def mean_ad(x_ng: Floats) -> Floats:
    """Mean absolute deviation from the mean: what Tybalt's code computed (pandas' old `.mad`)."""
    deviation_ng = x_ng - np.nanmean(x_ng, axis=0)
    return np.asarray(np.nanmean(np.abs(deviation_ng, out=deviation_ng), axis=0))


def median_ad(x_ng: Floats) -> Floats:
    """Median absolute deviation from the median: what Tybalt's paper says."""
    return median(np.abs(x_ng - median(x_ng)))


def variance(x_ng: Floats) -> Floats:
    """Variance."""
    return np.asarray(np.nanvar(x_ng, axis=0))


STATISTICS: dict[str, Callable[[Floats], Floats]] = {
    "mean_ad": mean_ad,
    "median_ad": median_ad,
    "variance": variance,
}


def dispersion(counts: Iterable[Floats]) -> Floats:
    """Variance of counts after standardising with the spread that the mean predicts.

    Stuart et al., Cell 177:1888 (2019), "Seurat v3", through scanpy.

    Raises
    ------
    DataError
        If scanpy or scikit-misc is not installed.
    """
    from anndata import AnnData
    from scipy import sparse

    try:
        import scanpy
        import skmisc.loess  # noqa: F401 - scanpy needs it for this
    except ImportError:
        raise DataError(
            "normalize.select = 'dispersion' needs scanpy and scikit-misc: "
            "pip install 'tybalt-like[scanpy]'"
        ) from None
    x_ng = sparse.vstack([sparse.csr_matrix(chunk) for chunk in counts], format="csr")
    found = scanpy.pp.highly_variable_genes(
        AnnData(x_ng), flavor="seurat_v3", n_top_genes=x_ng.shape[1], inplace=False
    )
    return np.asarray(np.nan_to_num(found["variances_norm"].to_numpy(dtype=np.float64)))


def spread(low_g: Floats, high_g: Floats) -> NDArray[np.bool_]:
    """Which genes vary by more than the rounding of single precision, from minimum and maximum."""
    return high_g - low_g > 1e-6 * np.maximum(np.abs(low_g), np.abs(high_g))


def most_variable(
    statistic_g: Floats, varies_g: NDArray[np.bool_], n: int | None
) -> NDArray[np.intp]:
    """Numbers of the genes that vary most, in falling order, ties in the order of the matrix."""
    order = np.argsort(-statistic_g, kind="stable")
    return order[varies_g[order]][:n]
