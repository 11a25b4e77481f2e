"""Gene identifiers: finding the genes of a trained list in another matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anndata import AnnData


def align(adata: AnnData, genes: Sequence[str]) -> NDArray[np.intp]:
    """Column of each gene of a list, -1 for those that the matrix lacks.

    Of a name that occurs more than once, the first column is taken.
    """
    first: dict[str, int] = {}
    for column, name in enumerate(adata.var_names.astype(str)):
        first.setdefault(name, column)
    return np.array([first.get(gene, -1) for gene in genes], dtype=np.intp)
