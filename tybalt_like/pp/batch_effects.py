"""How much samples keep to their batch, and ComBat."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import record
from tybalt_like.pp.batches import column

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


@dataclass(frozen=True)
class BatchPurity:
    """How many neighbours are of the same batch.

    Attributes
    ----------
    observed
        Mean share of a sample's nearest neighbours that come from its own batch.
    expected
        The share if batches were mixed at random.
    """

    observed: float
    expected: float


def batch_purity(
    adata: AnnData, *, batch: str, use: str = "X", n_neighbors: int = 15
) -> BatchPurity:
    """Share of nearest neighbours (Euclidean) from the same batch.

    Parameters
    ----------
    batch
        obs column that names the batch.
    use
        ``"X"`` or an obsm key.
    n_neighbors
        Neighbours looked at; at most all other samples.

    Raises
    ------
    DataError
        If there is no such column, or fewer than two batches.
    """
    from sklearn.neighbors import NearestNeighbors

    batch_n, sizes_b = np.unique(column(adata, batch), return_inverse=True, return_counts=True)[1:]
    if len(sizes_b) < 2:
        raise DataError(f"column {batch!r} names one batch only; nothing to compare")
    n = adata.n_obs
    x_nd = adata.X if use == "X" else adata.obsm[use]
    near = NearestNeighbors(n_neighbors=min(n_neighbors, n - 1)).fit(x_nd)
    neighbours_nk = near.kneighbors(return_distance=False)
    same_nk = batch_n[neighbours_nk] == batch_n[:, None]
    return BatchPurity(
        float(same_nk.mean()), float((sizes_b * (sizes_b - 1)).sum() / (n * (n - 1)))
    )


def combat(adata: AnnData, *, batch: str, covariates: Sequence[str] = ()) -> AnnData:
    """Remove batch effects with ComBat, through scanpy.

    Johnson, Li & Rabinovic, Biostatistics 8:118 (2007). It needs all samples at once: it cannot be
    fitted on training samples and applied to new ones, so use it to look at a finished cohort. For
    what a model trains on, `Normalisation.centre_by` is fitted on the training samples only.

    Parameters
    ----------
    adata
        Logged values, complete.
    batch
        obs column that names the batch.
    covariates
        obs columns of biology to keep. Without them, what differs between batches is removed,
        whatever its cause.

    Returns
    -------
    AnnData
        New, with corrected ``X`` in float32.

    Raises
    ------
    DataError
        If scanpy is not installed, a column is missing, a batch has one sample, or batches and
        covariates cannot be told apart.
    """
    try:
        import scanpy
    except ImportError:
        raise DataError("ComBat needs scanpy: pip install 'tybalt-like[scanpy]'") from None
    from anndata import AnnData

    design = _design(adata, batch, covariates)
    numbers = [name for name in design.columns if name != batch]
    with redirect_stdout(StringIO()):
        corrected = scanpy.pp.combat(
            AnnData(adata.X, obs=design), key=batch, covariates=numbers or None, inplace=False
        )
    result = adata.copy()
    result.X = corrected.astype(np.float32)
    record(result, combat={"batch": batch, "covariates": list(covariates)})
    return result


def _design(adata: AnnData, batch: str, covariates: Sequence[str]) -> pd.DataFrame:
    """The batch column and the covariates as numbers, checked.

    Labels become 0/1 columns without the first level: scanpy keeps all levels of a label, which
    together with the batches makes its equations singular.
    """
    import pandas as pd

    for name in (batch, *covariates):
        column(adata, name)
    if batch in covariates:
        raise DataError(f"column {batch!r} is the batch, so it cannot be a covariate as well")
    labels = pd.Series(column(adata, batch), adata.obs_names, dtype="category")
    sizes = labels.value_counts()
    if sizes.min() < 2 or len(sizes) < 2:
        raise DataError(
            f"ComBat needs two batches or more, of two samples or more; {batch} has "
            + ", ".join(f"{name} ({n})" for name, n in sizes.items())
        )
    about = adata.obs[list(covariates)]
    numbers = pd.get_dummies(about, drop_first=True) if covariates else about
    numbers = numbers.astype(np.float64)
    full = np.column_stack([pd.get_dummies(labels).to_numpy(np.float64), numbers])
    if np.linalg.matrix_rank(full) < full.shape[1]:
        raise DataError(
            f"the batches ({batch}) and the covariates ({', '.join(covariates)}) cannot be told "
            "apart: some batches hold one kind of sample only; leave out a covariate"
        )
    return numbers.assign(**{batch: labels})
