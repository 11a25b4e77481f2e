"""Axes of a latent space turned so that they can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tybalt_like.core import keys
from tybalt_like.interpretation import Axes, rotation
from tybalt_like.interpretation.rotation import Rotation
from tybalt_like.models import Model
from tybalt_like.tl.fit import in_split
from tybalt_like.tl.gene_effects import codes, gene_effects

if TYPE_CHECKING:
    from anndata import AnnData


def rotate(adata: AnnData, model: Model, *, how: Rotation = "varimax", seed: int = 0) -> Axes:
    """Turn the latent axes of a model until each rests on few genes.

    What a model has learned is a space; which axes it is described by is mostly chance. Rotated
    ones are found again in more trainings, and are nearer to what is known of samples, in all
    models but ``ppca_vae``, whose axes are turned in this way when it is trained
    (``python tests/benchmarks features``). See `interpretation.rotation`.

    Adds ``obsm["X_<model>_<how>"]``: scores of all samples, in standard deviations of the training
    samples.

    Parameters
    ----------
    adata
        With the latents of `model` (`tl.fit` or `tl.latent`) and the split that it was trained by.
    how
        ``"varimax"``: few genes for each axis. ``"ica"``: scores that are independent.
    seed
        Of ``"ica"``, and of the samples that effects are averaged over.

    Returns
    -------
    Axes
        For `tl.gene_effects`; ``scores`` reads them off codes of other samples.

    Raises
    ------
    DataError
        If the model has not been applied, or there is no split.
    """
    effects_kg = gene_effects(adata, model, seed=seed).to_numpy()
    z_nk = codes(adata, model)
    axes = rotation(z_nk[in_split(adata, keys.TRAIN)], effects_kg, how=how, seed=seed)
    adata.obsm[keys.rotated(model.name, how)] = axes.scores(z_nk)
    return axes
