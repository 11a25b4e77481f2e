"""Columns of the sample table as tensors that a model can be conditioned on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.models import Model

if TYPE_CHECKING:
    from anndata import AnnData


def categories(
    adata: AnnData, columns: Sequence[str], *, train: NDArray[np.bool_]
) -> tuple[tuple[str, ...], ...]:
    """The values of each column among the training samples, sorted."""
    found = []
    for column in columns:
        values = _values(adata, column)[train]
        found.append(tuple(sorted(values.dropna().unique())))
        if not found[-1]:
            raise DataError(f"obs column {column!r} is empty in all training samples")
    return tuple(found)


def known(adata: AnnData, model: Model) -> dict[str, NDArray[np.float32]]:
    """What the model wants to know of every sample beside its genes, as far as it is there.

    That is, of pairs, ``x2_ng`` (`keys.AFTER`), ``y_n`` (`keys.RESPONSE`), ``weight_n``
    (`keys.WEIGHT`) and ``unit_n`` (`keys.UNIT`, numbered), and the covariates ``c_nc``: one-hot,
    side by side. A value that is missing, or that no training sample had (then with a warning), is
    a row of NaN, which the model replaces by the training frequencies.

    Raises
    ------
    DataError
        If a column is missing.
    """
    found = _of_pairs(adata, model)
    if not model.covariates:
        return found
    blocks = []
    for column, expected in model.covariates.items():
        values = _values(adata, column)
        known_n = values.isin(expected).to_numpy()
        new = values[values.notna() & ~known_n]
        if len(new):
            warnings.warn(
                f"{len(new)} samples have a {column} that no training sample had, such as "
                f"{new.iloc[0]!r} in {new.index[0]}; they are encoded with the training average "
                f"of {column}",
                stacklevel=4,
            )
        block_nc = np.equal.outer(values.to_numpy(), np.array(expected, dtype=object))
        blocks.append(np.where(known_n[:, None], block_nc, np.nan))
    return found | {"c_nc": np.concatenate(blocks, axis=1).astype(np.float32)}


def _of_pairs(adata: AnnData, model: Model) -> dict[str, NDArray[np.float32]]:
    found = {}
    if "x2_ng" in model.takes and keys.AFTER in adata.layers:
        found["x2_ng"] = np.asarray(adata.layers[keys.AFTER], dtype=np.float32)
    for name, column in (("y_n", keys.RESPONSE), ("weight_n", keys.WEIGHT)):
        if name in model.takes and column in adata.obs:
            found[name] = adata.obs[column].to_numpy(np.float32)
    if "unit_n" in model.takes and keys.UNIT in adata.obs:
        code_n = np.unique(adata.obs[keys.UNIT].to_numpy(str), return_inverse=True)[1]
        found["unit_n"] = code_n.astype(np.float32)
    return found


def _values(adata: AnnData, column: str) -> pd.Series:
    """A column as strings; empty ones are missing."""
    if column not in adata.obs:
        raise DataError(
            f"the model is conditioned on the sample column {column!r}, which is missing"
        )
    values: pd.Series = adata.obs[column]
    text = values.astype(str)
    return text.where(values.notna() & (text != ""))
