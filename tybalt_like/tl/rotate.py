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

    What a model has learned is a space; by which axes it is described is mostly chance. In every
    model and cohort that was measured, the axes that are found again in most trainings hold more
    of what the model decodes when they are turned, and single ones are nearer to sex, lineage and
    the HER2 amplicon; ``ppca_vae``, whose axes are turned when it is trained, gains least. The
    first axes of PCA can be read as well as they are (``python tests/benchmarks features``). See
    `interpretation.rotation`.

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
