"""The images of a run that are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import image_shape
from tybalt_like.models.networks.image_networks import Shape
from tybalt_like.tl.fit import in_split

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.floating]

LEARNED_FROM, LOOKED_AT = 20_000, 10_000
"""Training and test images that are used, at most."""
COLUMNS = 10
"""Images in a row of examples."""


@dataclass(frozen=True)
class ImageSubset:
    """The images that are looked at: of the training split, and of the test split."""

    shape: Shape
    train_ng: Array
    train_label_n: NDArray[np.object_]
    test_ng: Array
    test_label_n: NDArray[np.object_]
    seed: int

    @classmethod
    def of(cls, adata: AnnData, label: str | None, *, seed: int) -> ImageSubset:
        """Images and labels of an AnnData; labels are empty without a column."""
        x_ng = np.asarray(adata.X, dtype=np.float32)
        label_n = np.asarray([""] * adata.n_obs if label is None else adata.obs[label].astype(str))
        rng = np.random.default_rng(seed)
        train, test = (
            rng.permutation(np.flatnonzero(in_split(adata, split)))[:most]
            for split, most in ((keys.TRAIN, LEARNED_FROM), (keys.TEST, LOOKED_AT))
        )
        if len(test) < 2 * COLUMNS:
            raise DataError(
                f"{len(test)} test images are too few to look at; {2 * COLUMNS} would do"
            )
        labels = label_n.astype(object)
        return cls(image_shape(adata), x_ng[train], labels[train], x_ng[test], labels[test], seed)

    def examples(self, n: int = COLUMNS) -> NDArray[np.intp]:
        """Rows of n test images, of as many labels as there are."""
        _, place_n = np.unique(self.test_label_n, return_inverse=True)
        turn_n = np.zeros(len(place_n), int)  # how many images of its label come before each
        for label in np.unique(place_n):
            turn_n[place_n == label] = np.arange((place_n == label).sum())
        return np.lexsort((place_n, turn_n))[:n]
