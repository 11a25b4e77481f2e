"""The same model trained with other seeds: what of its latent space is chance?"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like.core import keys
from tybalt_like.core.errors import NonFiniteLossError
from tybalt_like.core.provenance import recorded
from tybalt_like.models import Model, ModelSettings, Training
from tybalt_like.pp.split import recorded_groups
from tybalt_like.tl.fit import fit, in_split
from tybalt_like.tl.stored import is_stored
from tybalt_like.training.loop import EpochHook

if TYPE_CHECKING:
    from anndata import AnnData


LEFT_OUT = 5
"""One in so many training samples takes no part in a training that is redrawn."""


def trained_again(
    adata: AnnData,
    model: Model,
    *,
    times: int,
    redrawn: bool = False,
    training: Training | None = None,
    device: str = "auto",
    on_epoch: EpochHook | None = None,
) -> tuple[list[Model], list[str]]:
    """Train a model anew with the seeds after its own; `adata` stays as it is.

    Parameters
    ----------
    adata
        Normalised, with the split that `model` was trained by.
    times
        Trainings; each costs as much as the first.
    redrawn
        Each from four fifths of the training samples, drawn anew, whole groups that `pp.split`
        kept together: what is found again then does not hang on single samples, and models without
        a random part are tried too. Otherwise those are not trained, and returned as they are.
    training
        How the model was trained; its defaults if None.

    Returns
    -------
    tuple
        The models, and sentences on trainings that diverged.
    """
    from anndata import AnnData

    if model.deterministic and not redrawn:
        return [model] * times, []
    seed = int(recorded(adata).get(model.name, {}).get("seed", 0))
    settings = ModelSettings(type(model), model.config, training or type(model).training_defaults)
    x_ng = adata.X if is_stored(adata) else np.asarray(adata.X)
    scratch = AnnData(x_ng, obs=adata.obs, var=adata.var, uns=dict(adata.uns))
    models, notes = list[Model](), list[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what the first training has told already
        for other in range(seed + 1, seed + 1 + times):
            if redrawn:
                scratch.obs = _without_a_fifth(adata, seed=other)
            try:
                models.append(
                    fit(scratch, model=settings, seed=other, device=device, on_epoch=on_epoch)
                )
            except NonFiniteLossError as error:
                notes.append(f"training {model.name} again with seed {other}: {error}")
    return models, notes


def _without_a_fifth(adata: AnnData, *, seed: int) -> pd.DataFrame:
    """The sample table, in which a fifth of the training samples take no part in training."""
    train = np.flatnonzero(in_split(adata, keys.TRAIN))
    group_n = recorded_groups(adata)
    unit_m = train if group_n is None else group_n[train]
    units = np.random.default_rng(seed).permutation(np.unique(unit_m))
    out = train[np.isin(unit_m, units[: len(units) // LEFT_OUT])]
    split = adata.obs[keys.SPLIT].astype(str).to_numpy(copy=True)
    split[out] = keys.CALIBRATION
    redrawn: pd.DataFrame = adata.obs.assign(**{keys.SPLIT: split})
    return redrawn
