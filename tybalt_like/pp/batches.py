"""Per-batch centring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pp.matrix import Floats

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class BatchOffsets:
    """How far each batch's training mean lies from the mean of all batches, gene by gene.

    Subtracting it is right where batches hold the same mixture of samples; where they do not, it
    removes biology.

    Parameters
    ----------
    column
        obs column that names the batch.
    batches
        Names, in the order of the rows of `offset_bg`.
    """

    column: str
    batches: tuple[str, ...]
    offset_bg: Floats

    def transform(self, x_ng: Floats, batch_n: NDArray[np.intp]) -> Floats:
        """New values; `batch_n` holds the row of each sample's batch, as `numbers` gives it."""
        return x_ng - self.offset_bg[batch_n]

    def numbers(self, adata: AnnData) -> NDArray[np.intp]:
        """Row of each sample's batch.

        Raises
        ------
        DataError
            If the column is missing, or holds a batch without training samples.
        """
        row = {name: i for i, name in enumerate(self.batches)}
        labels = column(adata, self.column)
        for name in labels:
            if name not in row:
                raise DataError(
                    f"batch {name!r} ({self.column}) has no training samples, so its offset is not "
                    f"known; batches: {', '.join(self.batches)}"
                )
        return np.array([row[name] for name in labels], dtype=np.intp)

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "batches": self.batches,
            "offset": self.offset_bg.tolist(),
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        return cls(state["column"], tuple(state["batches"]), np.array(state["offset"]))


def column(adata: AnnData, name: str) -> list[str]:
    """An obs column as text.

    Raises
    ------
    DataError
        If there is no such column.
    """
    if name not in adata.obs:
        known = ", ".join(map(str, adata.obs.columns)) or "none"
        raise DataError(f"no column {name!r} in the sample table; columns: {known}")
    return [str(value) for value in adata.obs[name]]


def offsets(x_ng: Floats, batch_n: NDArray[np.intp]) -> Floats:
    """Batch means less the mean of all samples, (batches, g); 0 where a batch has no value."""
    known_ng = ~np.isnan(x_ng)
    value_ng = np.where(known_ng, x_ng, 0)
    mean_g = value_ng.sum(axis=0) / np.maximum(1, known_ng.sum(axis=0))
    rows = []
    for batch in range(batch_n.max() + 1):
        rows_n = batch_n == batch
        n_g = known_ng[rows_n].sum(axis=0)
        rows.append(value_ng[rows_n].sum(axis=0) / np.maximum(1, n_g) - mean_g * (n_g > 0))
    return np.stack(rows)
