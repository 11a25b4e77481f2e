"""Samples whose matrix stays on disk: what a model takes of them, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from tybalt_like import anomaly
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import image_shape, is_images
from tybalt_like.models import Model
from tybalt_like.pp.matrix import block_of, in_memory, read_rows
from tybalt_like.tl.covariates import known
from tybalt_like.training.inference import Inference, applied, infer
from tybalt_like.training.rows import Stored

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

Numbers = NDArray[np.intp]
PART = 1 << 23
"""Values in flight at once, 64 MB in double precision."""
CORESET = 1 << 24
"""Values of the random samples that are kept for comparison: 64 MB in single precision."""


def is_stored(adata: AnnData) -> bool:
    """Whether the matrix is on disk: the AnnData is backed, or its ``X`` a zarr or dask array."""
    return not in_memory(adata.X)


def check_in_memory(adata: AnnData) -> None:
    """Refuse a matrix on disk, where all of it is needed at once."""
    if is_stored(adata):
        raise DataError("the matrix is on disk, but this needs it in memory: adata.to_memory()")


class StoredInputs:
    """What a model takes of samples whose matrix is on disk, checked as it is read.

    Attributes
    ----------
    most
        Samples whose profiles and reconstructions may be held at once.

    Raises
    ------
    DataError
        If the model takes more of a sample than one row of the matrix and its covariates; later,
        if values that are read are missing, infinite, or do not suit the model.
    """

    def __init__(self, adata: AnnData, model: Model) -> None:
        if "x2_ng" in model.takes:
            raise DataError(
                f"model {model.name!r} learns from pairs of profiles, which must be in memory; "
                "use adata.to_memory()"
            )
        self.model, self.matrix = model, adata.X
        self.names, self.genes = adata.obs_names, adata.var_names
        self.known = known(adata, model)
        self.most = max(2, CORESET // adata.n_vars)
        self.image_shape = image_shape(adata) if is_images(adata) else None

    def x_ng(self, rows_n: Numbers) -> NDArray[np.float32]:
        """Rows of the matrix, whose numbers rise."""
        x_ng = read_rows(self.matrix, rows_n)
        check_finite(x_ng, names=self.names[rows_n], genes=self.genes)
        self.model.check(torch.from_numpy(x_ng))
        return x_ng

    def rows(self, mask_n: NDArray[np.bool_], device: torch.device) -> Stored:
        """Samples to train on."""
        rows_n = np.flatnonzero(mask_n)
        return Stored(
            self.x_ng,
            rows_n,
            n_vars=len(self.genes),
            block=block_of(self.matrix),
            known={k: torch.from_numpy(a[rows_n]).to(device) for k, a in self.known.items()},
            device=device,
        )

    def parts(self, rows_n: Numbers) -> Iterator[Numbers]:
        """These rows, as many at a time as are in flight at once."""
        size = max(1, PART // len(self.genes))
        for start in range(0, len(rows_n), size):
            yield rows_n[start : start + size]

    def latents(self) -> NDArray[np.float32]:
        """Of every sample, (n, k)."""
        parts = self.parts(np.arange(len(self.names)))
        return np.concatenate([self._inferred(rows)[1].z_nk for rows in parts]).astype(np.float32)

    def outputs(self, rows_n: Numbers, *, own: bool = True) -> anomaly.ModelOutputs:
        """What the model makes of these samples, with the scores of its own if that is wanted."""
        given, found = self._inferred(rows_n)
        known = {**given, "z_nk": found.z_nk}
        x_ng = known.pop("x_ng")
        scores = applied(self.model, type(self.model).score, x_ng, given=known) if own else {}
        scores.pop("reconstruction", None)  # the view measures it alike for all models
        shape = self.image_shape
        return anomaly.ModelOutputs(x_ng, found.reconstruction_ng, found.z_nk, scores, shape)

    def _inferred(self, rows_n: Numbers) -> tuple[dict[str, NDArray[np.float32]], Inference]:
        """All that the model takes of these samples, and what it makes of it."""
        given = {name: values[rows_n] for name, values in self.known.items()}
        x_ng = self.x_ng(rows_n)
        return {"x_ng": x_ng, **given}, infer(self.model, x_ng, given=given)


def check_finite(x_ng: NDArray[np.float32], *, names: pd.Index, genes: pd.Index) -> None:
    """Refuse values that are missing or infinite; names stand in the message."""
    if not np.isfinite(x_ng).all():
        row, column = np.argwhere(~np.isfinite(x_ng))[0]
        raise DataError(
            f"sample {names[row]}, gene {genes[column]}: the value is missing or infinite; "
            "normalise first (pp.Normaliser)"
        )
