"""The same model trained with other seeds: what of its latent space is chance?"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from tybalt_like.core.errors import NonFiniteLossError
from tybalt_like.core.provenance import recorded
from tybalt_like.models import Model, ModelSettings, Training
from tybalt_like.tl.fit import fit
from tybalt_like.training.loop import EpochHook

if TYPE_CHECKING:
    from anndata import AnnData


def trained_again(
    adata: AnnData,
    model: Model,
    *,
    times: int,
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
        Trainings; each costs as much as the first. Models that no seed changes are not trained.
    training
        How the model was trained; its defaults if None.

    Returns
    -------
    tuple
        The models, and sentences on trainings that diverged.
    """
    from anndata import AnnData

    if model.deterministic:
        return [model] * times, []
    seed = int(recorded(adata).get(model.name, {}).get("seed", 0))
    settings = ModelSettings(type(model), model.config, training or type(model).training_defaults)
    scratch = AnnData(np.asarray(adata.X), obs=adata.obs, var=adata.var, uns=dict(adata.uns))
    models, notes = list[Model](), list[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what the first training has told already
        for other in range(seed + 1, seed + 1 + times):
            try:
                models.append(
                    fit(scratch, model=settings, seed=other, device=device, on_epoch=on_epoch)
                )
            except NonFiniteLossError as error:
                notes.append(f"training {model.name} again with seed {other}: {error}")
    return models, notes
