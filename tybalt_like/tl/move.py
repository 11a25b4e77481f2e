"""Samples moved in a latent space: along a difference, or on the way from one place to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import record
from tybalt_like.interpretation.path import gene_course, steps_of
from tybalt_like.models import Model
from tybalt_like.pp.labels import labels_of, named
from tybalt_like.tl.codec import Array, Codec
from tybalt_like.tl.contrast import LEAST, Contrast
from tybalt_like.tl.fit import in_split

if TYPE_CHECKING:
    from anndata import AnnData


def move(
    adata: AnnData, model: Model, along: Contrast | ArrayLike, *, amount: float = 1.0
) -> AnnData:
    """Profiles of samples after a move in latent space: ``decode(encode(x) + amount x vector)``.

    Covariates and library sizes stay those of the sample. An amount of 0 gives reconstructions,
    to which moved profiles are to be compared: what the model leaves of a sample is in neither.

    Parameters
    ----------
    adata
        Normalised, with the genes of `model` and the split that it was trained by.
    along
        A contrast (`tl.contrast`) of the same model, or a vector of its latent space, (k,).
    amount
        Multiples of the vector.

    Returns
    -------
    AnnData
        The same samples and genes: ``X`` on the scale of the model (counts: expected ones), the
        moved codes in ``obsm["X_<model>"]``, and a note of the move. `adata` stays as it is.

    Raises
    ------
    DataError
        If the vector is none of this model's latent space.
    """
    if isinstance(along, Contrast) and along.model != model.name:
        raise DataError(
            f"{along.name} is a contrast of the model {along.model!r}, not {model.name!r}"
        )
    vector = along.vector_k if isinstance(along, Contrast) else along
    vector_k = np.asarray(vector, dtype=np.float64)
    codec = Codec(adata, model, train_n=in_split(adata, keys.TRAIN))
    if vector_k.shape != codec.z_nk.shape[1:] or not np.isfinite(vector_k).all():
        raise DataError(
            f"the vector to move along has shape {vector_k.shape} or is not finite; the latent "
            f"space of {model.name!r} has {codec.z_nk.shape[1]} features"
        )
    z_nk = codec.z_nk + amount * vector_k
    x_ng = codec.made(np.arange(adata.n_obs), z_nk).astype(np.float32)
    moved = type(adata)(x_ng, obs=adata.obs.copy(), var=adata.var.copy(), uns=dict(adata.uns))
    moved.obsm[keys.latent(model.name)] = z_nk.astype(np.float32)
    name = along.name if isinstance(along, Contrast) else "a vector"
    record(moved, moved={"model": model.name, "along": name, "amount": amount})
    return moved


@dataclass(frozen=True)
class Interpolation:
    """A straight way through a latent space, decoded.

    Attributes
    ----------
    steps
        `interpretation.steps_of`: how far every step is from the nearest training sample, and
        whether the way has left the data there.
    genes
        `interpretation.gene_course`: what changes, and when.
    profile_tg
        Decoded profiles, on the scale of the model (counts: log2(1 + count) at the typical
        library size).
    """

    steps: pd.DataFrame
    genes: pd.DataFrame
    profile_tg: pd.DataFrame


def interpolate(
    adata: AnnData,
    model: Model,
    *,
    ends: tuple[str, str],
    column: str | None = None,
    n_steps: int = 11,
) -> Interpolation:
    """Go from one group's mean code, or one sample's code, straight to another.

    Distances are between decoded profiles, of the way and of the training samples: what the model
    leaves of real samples, noise for the most part, is not on the way either.

    Parameters
    ----------
    adata
        Normalised, with the split that `model` was trained by. It stays as it is.
    ends
        Two labels of `column`, whose training samples are averaged, or two names of samples.
    column
        obs column of the labels; None: `ends` are samples.
    n_steps
        Stops on the way, both ends among them.

    Raises
    ------
    DataError
        If an end does not exist or has fewer than 5 training samples, or there are fewer than 2
        steps.
    """
    if n_steps < 2:
        raise DataError(f"a way of {n_steps} steps has no two ends; use n_steps of at least 2")
    train_n = in_split(adata, keys.TRAIN)
    codec = Codec(adata, model, train_n=train_n)
    start_k, end_k = (_end(adata, codec.z_nk, end, column, train_n) for end in ends)
    share_t = np.linspace(0, 1, n_steps)
    profile_tg = codec.typical(start_k + share_t[:, None] * (end_k - start_k))
    real_ng = codec.typical(codec.z_nk[train_n])
    return Interpolation(
        steps=steps_of(profile_tg, real_ng, names=adata.obs_names[train_n]),
        genes=gene_course(profile_tg, genes=adata.var_names),
        profile_tg=pd.DataFrame(
            profile_tg, index=pd.Index(share_t, name="share"), columns=adata.var_names
        ),
    )


def _end(adata: AnnData, z_nk: Array, end: str, column: str | None, train_n: np.ndarray) -> Array:
    if column is None:
        if end not in adata.obs_names:
            raise DataError(f"there is no sample {end!r}; for labels, name their column")
        return np.asarray(z_nk[adata.obs_names.get_loc(end)])
    label_n = labels_of(adata, column)
    chosen_n = np.isin(label_n, named(adata, column, [end])) & train_n
    if chosen_n.sum() < LEAST:
        raise DataError(
            f"{column} = {end!r} has {chosen_n.sum()} training samples; at least {LEAST} are "
            "needed for a mean"
        )
    return np.asarray(z_nk[chosen_n].mean(0))
