"""Axes of a latent space turned so that they can be read, and are found again."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.interpretation.axes import Array, Axes

Rotation = Literal["varimax", "ica"]
NOTHING = 1e-8
"""Directions of decoded profiles with less than that share of the first one's variance are none."""


def rotation(
    z_nk: ArrayLike, effects_kg: ArrayLike, *, how: Rotation = "varimax", seed: int = 0
) -> Axes:
    """Turn the axes of a latent space, which in most models are arbitrary.

    Codes are first taken to where distances between them are distances between the profiles that
    they stand for, as far as effects add up, and there to principal axes. The result depends on
    what a model has learned, not on the axes that it was learned with.

    ``"varimax"`` turns these axes, which stay at right angles, until the squared effects of one
    standard deviation vary most over the genes: each axis then rests on few genes and each gene
    on few axes (Kaiser, Psychometrika 23:187, 1958). Genes are not given equal weight (without
    Kaiser's normalisation): each counts by what the model explains of it, so that axes with little
    but noise decide little. ``"ica"`` makes the scores as independent as they can be (FastICA on
    scores of unit variance; Hyvarinen & Oja, Neural Networks 13:411, 2000).

    Of each axis the end with the longer tail of genes is positive. Axes come in the order of the
    size of their effects.

    Parameters
    ----------
    z_nk
        Codes of training samples.
    effects_kg
        Of the latent axes (`gene_effects`).
    seed
        Of ``"ica"``; varimax has no random part.

    Returns
    -------
    Axes
        As many as the decoder has independent directions, k or fewer, called ``varimax_1`` ...

    Raises
    ------
    DataError
        If no feature has an effect.
    RecipeError
        If there is no rotation of that name.
    """
    if how not in ("varimax", "ica"):
        raise RecipeError(f"unknown rotation {how!r}; choose 'varimax' or 'ica'")
    z, effects = (np.asarray(a, dtype=np.float64) for a in (z_nk, effects_kg))
    own = Axes.own(z)
    # Effects are rows of genes: in an orthonormal basis of them, k numbers say all.
    basis_gr, coordinates_rk = np.linalg.qr(effects.T)
    to_profile_kr = own.reading_kj @ coordinates_rk.T
    profile_nr = (z - own.mean_k) @ to_profile_kr
    variance_r, vector_rr = np.linalg.eigh(profile_nr.T @ profile_nr / len(z))
    kept_r = variance_r > NOTHING * max(variance_r[-1], 1e-300)
    if not kept_r.any():
        raise DataError(
            "the model decodes the same profile from all codes: there are no axes to turn"
        )
    sd_m, axes_rm = np.sqrt(variance_r[kept_r]), vector_rr[:, kept_r]
    if how == "varimax":
        turned_rm = axes_rm @ _varimax(basis_gr @ axes_rm * sd_m)
    else:
        turned_rm = axes_rm / sd_m @ _ica(profile_nr @ axes_rm / sd_m, seed=seed)
    found = Axes.read_by(to_profile_kr @ turned_rm, z)
    effects_mg = found.moves_jk @ own.reading_kj @ effects
    order = np.argsort(-np.linalg.norm(effects_mg, axis=1), kind="stable")
    sign_m = np.where((effects_mg[order] ** 3).sum(1) < 0, -1.0, 1.0)
    return Axes(
        tuple(f"{how}_{i + 1}" for i in range(len(order))),
        found.mean_k,
        found.reading_kj[:, order] * sign_m,
        found.moves_jk[order] * sign_m[:, None],
    )


def _varimax(loadings_gm: Array) -> Array:
    import torch

    from tybalt_like.models.networks.rotation import varimax

    return np.asarray(varimax(torch.from_numpy(loadings_gm)).numpy())


def _ica(scores_nm: Array, *, seed: int) -> Array:
    """The rotation that makes uncorrelated scores independent, (m, m)."""
    from sklearn.decomposition import FastICA

    found = FastICA(whiten=False, max_iter=1000, random_state=seed).fit(scores_nm)
    return np.asarray(found.components_.T)
