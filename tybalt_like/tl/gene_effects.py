"""What every gene does when a latent feature of a model rises."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import interpretation
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.interpretation import Axes
from tybalt_like.models import Model
from tybalt_like.tl.fit import in_split, inputs
from tybalt_like.training.inference import decoder

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]
ROWS = 100
"""Training samples that effects are averaged over. Beside the mean over 622, effects of Tybalt are
off by 1 % of their size (100 features, 5,000 genes of breast tumours); those of linear models are
the same in every sample."""


def gene_effects(
    adata: AnnData, model: Model, *, axes: Axes | None = None, n_rows: int = ROWS, seed: int = 0
) -> pd.DataFrame:
    """How much each gene changes when a latent feature rises by one standard deviation.

    The mean over training samples of differences through the whole decoder
    (`interpretation.gene_effects`), with covariates and library size of each sample, on the scale
    of the model; of models of counts on that of log2(1 + count) at the typical library size.

    Parameters
    ----------
    adata
        With the latents of `model` (`tl.fit` or `tl.latent`) and the split that it was trained
        by. It stays as it is.
    axes
        Features instead of the model's own: rotated ones (`tl.rotate`) or a direction
        (`tl.direction`).
    n_rows
        Average over so many training samples, drawn at random, or all if there are fewer.
    seed
        Of the draw.

    Returns
    -------
    pandas.DataFrame
        Features x genes. The model's own features are called ``<model>_1``, ``<model>_2``, as
        everywhere.

    Raises
    ------
    DataError
        If the model has not been applied, or there is no split.
    """
    axes = own_axes(adata, model) if axes is None else axes
    train = np.flatnonzero(in_split(adata, keys.TRAIN))
    rows = np.sort(np.random.default_rng(seed).permutation(train)[:n_rows])
    effects_jg = interpretation.gene_effects(
        _decode(adata, model, rows), codes(adata, model)[rows], axes=axes
    )
    return pd.DataFrame(
        effects_jg, index=pd.Index(axes.names, name="feature"), columns=adata.var_names
    )


def codes(adata: AnnData, model: Model) -> Array:
    """Latent coordinates of all samples.

    Raises
    ------
    DataError
        If the model has not been applied.
    """
    if keys.latent(model.name) not in adata.obsm:
        raise DataError(f"model {model.name!r} has not been applied; run tl.fit or tl.latent first")
    return np.asarray(adata.obsm[keys.latent(model.name)], dtype=np.float64)


def own_axes(adata: AnnData, model: Model) -> Axes:
    """The model's own features, as training samples vary along them."""
    z_nk = codes(adata, model)
    train_n = in_split(adata, keys.TRAIN)
    if not train_n.any():
        raise DataError(f"no training samples: obs[{keys.SPLIT!r}] is never 'train'")
    names = [f"{model.name}_{i + 1}" for i in range(z_nk.shape[1])]
    return Axes.own(z_nk[train_n], names=names)


def _decode(adata: AnnData, model: Model, rows: NDArray[np.intp]) -> Callable[[Array], Array]:
    """From codes of these samples to profiles on the scale of effects."""
    given = inputs(adata[rows], model)
    x_ng = given.pop("x_ng")
    decode = decoder(model, x_ng, given=given)
    if model.domain != "counts":
        return decode
    library_n1 = np.maximum(x_ng.sum(1, keepdims=True, dtype=np.float64), 1)
    to_typical_n1 = np.median(library_n1) / library_n1
    return lambda z_nk: np.asarray(np.log2(1 + decode(z_nk) * to_typical_n1))
