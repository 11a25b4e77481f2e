"""Latent features and anomaly scores against outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import interpretation
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.interpretation import Axes, FollowUp, Survival
from tybalt_like.interpretation.hazards import Cut
from tybalt_like.models import Model
from tybalt_like.pp.split import recorded_groups
from tybalt_like.tl.encoders import Cohort, baseline
from tybalt_like.tl.fit import in_split

if TYPE_CHECKING:
    from anndata import AnnData


def survival(
    adata: AnnData,
    *,
    time: str,
    event: str,
    model: str = keys.MODEL,
    axes: Axes | None = None,
    clinical: Sequence[str] = (),
    score: str | None = None,
    cut: Cut = "tertiles",
    seed: int = 0,
) -> Survival:
    """Whether latent features, or an anomaly score, go with survival; see `Survival`.

    Beside the features stand those of PCA, as many, learned from the same training samples.

    Parameters
    ----------
    adata
        Encoded (`tl.fit` or `tl.latent`). With ``obs["tybalt_split"]``, samples outside the
        training and validation splits are judged; without, a random half is, and PCA is left out.
    time
        obs column with the time until the event, or until a sample was last known to be without.
    event
        obs column that says whether the event was seen (see `FollowUp.of`).
    model
        Whose latent features.
    axes
        Features instead of the model's own (`tl.rotate`).
    clinical
        obs columns that are known without expression, such as age and stage.
    score
        obs column with an anomaly score, such as ``"default_combined"`` (`tl.detect`), which is
        measured without the sample. Scores of samples that a model learned from are low for that
        reason: of ``"<model>_combined"`` (`tl.score`), only held-out samples count.
    cut
        Where curves are cut: at the tertiles or the median of the values.
    seed
        Of the folds in which penalties are chosen, and without a split of the half of the samples
        that is judged.

    Raises
    ------
    DataError
        If the model has not been applied, a column does not exist or cannot be understood, or
        there are too few events; or lifelines is not installed.
    """
    if keys.latent(model) not in adata.obsm:
        raise DataError(f"model {model!r} has not been applied; run tl.fit or tl.latent first")
    follow_up = FollowUp.of(adata.obs, time=time, event=event)
    for column in (*clinical, *([score] if score else [])):
        if column not in adata.obs:
            raise DataError(f"there is no sample column {column!r}")
    z_nk = np.asarray(adata.obsm[keys.latent(model)], dtype=np.float64)
    names = [f"{model}_{i + 1}" for i in range(z_nk.shape[1])]
    if axes is not None:
        z_nk, names = axes.scores(z_nk), list(axes.names)
    reference_nk, held_n = None, np.random.default_rng(seed).permutation(adata.n_obs) % 2 == 0
    if keys.SPLIT in adata.obs:
        held_n = ~(in_split(adata, keys.TRAIN) | in_split(adata, keys.VALIDATION))
        reference_nk = None if model == "pca" else _components(adata, model, z_nk.shape[1])
    return interpretation.survival(
        pd.DataFrame(z_nk, index=adata.obs_names, columns=names),
        follow_up,
        held_n=held_n,
        clinical=adata.obs[list(clinical)] if clinical else None,
        score=_scores(adata, score, model, held_n),
        reference_nk=reference_nk,
        group_n=recorded_groups(adata),
        cut=cut,
        seed=seed,
    )


def _scores(
    adata: AnnData, score: str | None, model: str, held_n: NDArray[np.bool_]
) -> pd.Series | None:
    if score is None:
        return None
    values: pd.Series = adata.obs[score].astype(float)
    return values.where(held_n) if score.startswith(f"{model}_") else values


def _components(adata: AnnData, model: str, k: int) -> NDArray[np.float64]:
    counts = Model.named(model).domain == "counts"
    encoding, _ = baseline(Cohort(adata, counts=counts), "pca", k=k, seed=0, seeds=())
    return encoding.z_nk
