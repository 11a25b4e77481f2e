"""What the latent features of a finished run mean: its folder gets further tables, and its page
sections about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tybalt_like import report, tl
from tybalt_like.anomaly.scores import COMBINED
from tybalt_like.core import keys
from tybalt_like.core.errors import RunError
from tybalt_like.core.folders import whole_part
from tybalt_like.core.marker import check_intact
from tybalt_like.core.provenance import is_images
from tybalt_like.core.settings import files_in
from tybalt_like.core.stored import sound
from tybalt_like.explain import FOLDER, Explain, check, explained
from tybalt_like.run.about import located_again
from tybalt_like.run.folder import Run
from tybalt_like.run.progress import Progress
from tybalt_like.run.recipe import Recipe

if TYPE_CHECKING:
    from anndata import AnnData

ADATA, OF_MODEL = "adata.h5ad", "model."


def explain_run(
    folder: Path,
    how: Explain,
    *,
    seeds: int,
    device: str = "auto",
    progress: Progress | None = None,
) -> list[str]:
    """Explain the latent features of a run and draw its page again.

    What an earlier call, or the run itself, has explained is replaced, whole or not at all.

    Parameters
    ----------
    folder
        Of the run.
    seeds
        Further trainings that features must be found in again; each costs as much as the run's.

    Returns
    -------
    list
        What was found, in sentences.

    Raises
    ------
    RunError
        If the folder is no whole run, or one of images.
    RecipeError, DataError
        Names the column, the label or the file that does not exist.
    """
    progress = progress or Progress(quiet=True)
    progress.steps = 3
    run = Run.load(folder)
    adata = _samples(folder)
    if is_images(adata):
        raise RunError(f"{folder} is a run on images; its page says what the model learned of them")
    check(how, adata)
    training = Recipe.from_tables(run.about["recipe"]).model.training
    if seeds:
        named = files_in(located_again(run.about, folder, only=OF_MODEL))
        files = {k.removeprefix(OF_MODEL): str(v) for k, v in named.items() if OF_MODEL in k}
        run.model.config = replace(run.model.config, **files)
    tl.latent(adata, run.model)
    with progress.stage("Training again") if seeds else progress.stage("Encoding"):
        again, notes = tl.trained_again(
            adata,
            run.model,
            times=seeds,
            redrawn=True,
            training=training,
            device=device,
            on_epoch=progress.epoch,
        )
    with progress.stage("Explaining"):
        found = explained(
            adata,
            run.model,
            how,
            again=again,
            unit_g=run.normaliser.unit_g,
            is_log2=run.normaliser.is_log2,
            score=keys.score(run.about["detector"]["name"], COMBINED),
        )
        for note in notes:
            progress.say(note)
    with progress.stage("Writing"):
        with whole_part(folder, FOLDER) as work:
            found.write(work)
        report.build(folder)
    return list(found.said)


def _samples(folder: Path) -> AnnData:
    """The samples of a run on its scale."""
    import anndata

    check_intact(folder, [ADATA])
    with sound(folder / ADATA):
        return anndata.read_h5ad(folder / ADATA)
