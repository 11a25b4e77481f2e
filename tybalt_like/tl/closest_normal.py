"""Samples beside the normal profile nearest to each that a model can make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like import anomaly
from tybalt_like.core import keys
from tybalt_like.models import Model
from tybalt_like.pp import Normaliser
from tybalt_like.tl.fit import in_split, inputs, latent
from tybalt_like.tl.score import model_outputs
from tybalt_like.training.closest import closest

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]


def closest_normal(adata: AnnData, model: Model) -> None:
    """For every sample the normal profile nearest to it that the model can make.

    Not the model's reconstruction, which bends towards all that is strange in a sample, but what it
    decodes from the code that fits the sample's ordinary genes (`training.closest`): what an
    experiment on one sample would take for its control.

    Adds the layer ``<model>_closest_normal``, on the scale of ``adata.X``.

    Parameters
    ----------
    adata
        Normalised and divided (`pp.split`).
    model
        Fitted to its training split (`tl.fit`).

    Raises
    ------
    DataError
        If the model has not been applied, or there is no split.
    """
    train = model_outputs(adata, model=model)[in_split(adata, keys.TRAIN)]
    error_g = anomaly.FittedViews.fit(train).error_g
    adata.layers[keys.closest_normal(model.name)] = _closest(adata, model, error_g).astype(
        np.float32
    )


def encode(adata: AnnData, normaliser: Normaliser, model: Model) -> AnnData:
    """Samples as read, on the trained genes and scale, with latents, reconstructions and a layer
    without the last step of the normalisation, which gives all genes one scale."""
    encoded = normaliser.transform(adata)
    encoded.layers[keys.UNSCALED] = normaliser.unscaled(adata)
    latent(encoded, model)
    return encoded


def explained(
    encoded: AnnData, normaliser: Normaliser, model: Model, error_g: Array
) -> anomaly.ModelOutputs:
    """Samples that `encode` returned, and what was to be expected of them, their closest normal
    profiles: on the log2 scale where a logarithm was taken, or the model takes counts.

    Parameters
    ----------
    error_g
        How far each gene usually is from what the model expects, on its scale.
    """
    expected_ng = normaliser.inverse(_closest(encoded, model, error_g))
    return anomaly.ModelOutputs(
        observed(encoded, model),
        _on_log2(expected_ng, model),
        np.asarray(encoded.obsm[keys.latent(model.name)]),
    )


def observed(encoded: AnnData, model: Model) -> Array:
    """Samples that `encode` returned on the scale of `explained`, (n, g)."""
    return _on_log2(np.asarray(encoded.layers[keys.UNSCALED]), model)


def _closest(adata: AnnData, model: Model, error_g: Array) -> Array:
    """On the model's scale."""
    given = inputs(adata, model)
    return closest(model, given.pop("x_ng"), error_g, given=given)


def _on_log2(values_ng: NDArray[np.floating], model: Model) -> Array:
    """The same of models that take counts, which have no other scale to explain anything on."""
    exact_ng: Array = np.asarray(values_ng, dtype=np.float64)
    return np.asarray(np.log2(exact_ng + 1)) if model.domain == "counts" else exact_ng
