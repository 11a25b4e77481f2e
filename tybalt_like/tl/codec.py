"""A model between the samples of an AnnData and their codes, on scales that can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.interpretation.changes import AS_IS, LOG_COUNTS, Link
from tybalt_like.models import Model
from tybalt_like.tl.fit import inputs
from tybalt_like.training.inference import applied, decoder, infer

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]


class Codec:
    """What a model makes of samples, and of the same samples with other codes.

    Covariates and library sizes stay those of the sample.

    Attributes
    ----------
    x_ng, reconstruction_ng
        Measured profiles and those of their codes; counts at the typical library size.
    z_nk
        Codes.
    scale_n1
        What brings counts to the typical library size.
    link
        Scale on which means of groups are compared: that of the model, and log2(1 + counts).
    """

    def __init__(self, adata: AnnData, model: Model, *, train_n: NDArray[np.bool_]) -> None:
        if adata.n_vars != model.n_vars:
            raise DataError(f"the model was trained on {model.n_vars} genes, not {adata.n_vars}")
        self.model = model
        self.known = inputs(adata, model)
        self._rows_ng = self.known.pop("x_ng")
        self.link: Link = LOG_COUNTS if model.domain == "counts" else AS_IS
        self.scale_n1 = np.ones((adata.n_obs, 1))
        if model.domain == "counts":
            library_n1 = np.maximum(self._rows_ng.sum(1, keepdims=True, dtype=np.float64), 1)
            self.scale_n1 = np.median(library_n1[train_n]) / library_n1
        found = infer(model, self._rows_ng, given=self.known, dtype=np.float64)
        self.z_nk: Array = found.z_nk.astype(np.float64)
        self.reconstruction_ng: Array = found.reconstruction_ng.astype(np.float64) * self.scale_n1
        self.x_ng: Array = self._rows_ng.astype(np.float64) * self.scale_n1

    def decoded(self, rows: NDArray[np.integer], z_mk: Array) -> Array:
        """Profiles of codes, (m, g), with what is known of some samples, at the typical library
        size."""
        return np.asarray(self.made(rows, z_mk) * self.scale_n1[rows])

    def made(self, rows: NDArray[np.integer], z_mk: Array) -> Array:
        """The same as the model gives them: counts are those of the samples' own libraries."""
        given = {name: values[rows] for name, values in self.known.items()}
        return decoder(self.model, self._rows_ng[rows], given=given)(z_mk)

    def typical(self, z_mk: Array) -> Array:
        """Profiles of codes alone, on the scale of `link`: unknown covariates, typical library."""
        decode = applied(
            self.model,
            lambda model, batch: {"x_mg": model.decode(batch.x_ng)},
            np.asarray(z_mk),
        )
        return np.asarray(self.link.of(decode["x_mg"]))
