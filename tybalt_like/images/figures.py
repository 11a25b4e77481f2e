"""All that a run shows of a model of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tybalt_like.images.figure_data import FigureData
from tybalt_like.images.generated import generated_images, generator_of
from tybalt_like.images.learned import encodes_images, learned_images, train_also
from tybalt_like.images.settings import Images
from tybalt_like.images.strange import strange_images
from tybalt_like.models import Model
from tybalt_like.training.loop import EpochHook

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def figures_of(
    adata: AnnData,
    models: Mapping[str, Model],
    how: Images,
    *,
    main: str,
    score: pd.Series,
    label: str | None = None,
    seed: int = 0,
    device: str = "auto",
    on_epoch: EpochHook | None = None,
) -> FigureData:
    """What a model has learned, and those that `how` puts beside it; what it makes, if it is a
    generator; and where images are strange to it.

    Parameters
    ----------
    adata
        Images, 0 to 1, with the split that the models were trained by and the reconstructions of
        the main one.
    models
        Trained, by name.
    main
        Name of the one that is looked at most closely.
    score
        Its combined anomaly scores by sample.
    label
        obs column of the classes.
    seed, device, on_epoch
        Of further trainings, and of all that is drawn at random.
    """
    figures = FigureData()
    if encodes_images(adata, models[main]):
        others = train_also(adata, how.models(), seed=seed, device=device, on_epoch=on_epoch)
        shown = dict(models) | others
        figures.join(
            learned_images(adata, shown, main=main, label=label, concepts=how.concepts, seed=seed)
        )
    if generator_of(models[main]) is not None:
        figures.join(generated_images(adata, models[main], label=label, seed=seed))
    figures.join(strange_images(adata, score, model=main, label=label))
    return figures
