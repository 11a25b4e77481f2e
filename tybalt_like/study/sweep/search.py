"""The work of a sweep: take a point, train it, write it down; the last to finish writes results."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tybalt_like import io, tl
from tybalt_like.core import toml
from tybalt_like.core.errors import DataError, NonFiniteLossError, RecipeError, RunError
from tybalt_like.core.files import write_text
from tybalt_like.core.folders import growing, growing_folder
from tybalt_like.core.messages import without_folders
from tybalt_like.core.settings import files_in, with_files
from tybalt_like.models.history import History
from tybalt_like.run.cohort import prepared
from tybalt_like.run.progress import Progress
from tybalt_like.run.recipe import Recipe
from tybalt_like.study.sweep.space import TABLE, Plan, Range
from tybalt_like.study.sweep.trials import Study, Trial

if TYPE_CHECKING:
    from anndata import AnnData

TRIALS, BEST, FIGURES, HISTORIES = "trials.tsv", "best.toml", "figures", "histories"
OWNS = (TRIALS, BEST, f"{FIGURES}/", f"{HISTORIES}/", "locks/", "study.journal")


def sweep(
    tables: Mapping[str, Any],
    out: Path,
    *,
    device: str = "auto",
    overwrite: bool = False,
    inputs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> Path | None:
    """Try the points of a sweep until none is left, and write the results when all are done.

    The same call in several processes shares the work; repeated, it goes on where it was
    interrupted.

    Parameters
    ----------
    tables
        A recipe with a table ``[sweep]``; see `Sweep`.
    out
        The folder of the study and its results: ``trials.tsv``, ``histories/``, ``figures/`` and
        ``best.toml``, the recipe of the best trial.
    overwrite
        Start anew where `out` holds a sweep.
    inputs
        Further files that `out` must not hold, such as the recipe's own.

    Returns
    -------
    pathlib.Path or None
        The best recipe; None if other processes are still at work.

    Raises
    ------
    TybaltLikeError
        One clear sentence about what is wrong with the recipe, the data or the folder.
    """
    progress = progress or Progress(quiet=True)
    plan = Plan.from_tables(tables)
    inputs, cohort = [*inputs, *plan.inputs()], None
    if not out.exists():  # what cannot be read leaves no folder
        base = Recipe.from_tables(plan.tables)
        cohort = _shape(base), prepared(base)
    growing_folder(out, kind=TABLE, owns=OWNS, inputs=inputs, overwrite=overwrite)
    with growing(out):
        study = Study(plan, out)
        worker = _Worker(plan, study, out, device=device, progress=progress, cohort=cohort)
        with progress.stage("Training"):
            while worker.do_one():
                pass
        with study.lock:
            if study.n_left:
                said = f"{study.n_left} of {plan.n_points} trials are still in other processes"
                progress.say(said)
                return None
            return _write(study, out)


def _shape(recipe: Recipe) -> object:
    """The settings that shape the cohort."""
    return recipe.data, recipe.split, recipe.normalize, recipe.seed


class _Worker:
    """One process; keeps the cohort while the settings that shape it stay the same."""

    def __init__(
        self,
        plan: Plan,
        study: Study,
        out: Path,
        *,
        device: str,
        progress: Progress,
        cohort: tuple[object, AnnData] | None,
    ) -> None:
        self.plan, self.study, self.out = plan, study, out
        self.device, self.progress = device, progress
        self._cohort = cohort

    def do_one(self) -> bool:
        """Take a point and train it; False if there is none."""
        with self.study.take() as trial:
            if trial is None:
                return False
            recipe = Recipe.from_tables(self.plan.tables_at(trial.settings))
            cohort = self._cohort_of(recipe)
            try:
                history = self._train(recipe, cohort)
            except (DataError, NonFiniteLossError) as error:
                told = without_folders([str(error)], recipe.inputs())
                self.study.fail(trial, told[0])
                self._say(trial, f"failed: {error}")
                return True
            self._finish(trial, history)
        return True

    def _cohort_of(self, recipe: Recipe) -> AnnData:
        if self._cohort is None or self._cohort[0] != _shape(recipe):
            self._cohort = _shape(recipe), prepared(recipe)
        return self._cohort[1]

    def _train(self, recipe: Recipe, cohort: AnnData) -> History:
        return tl.fit(
            cohort,
            model=recipe.model,
            seed=recipe.seed,
            device=self.device,
            progress=False,
        ).history

    def _finish(self, trial: Trial, history: History) -> None:
        objective = self.plan.sweep.objective
        # best_epoch is -1, which is the last row, where the last weights were kept.
        kept = history.rows[history.best_epoch] if history.rows else {}
        if objective not in kept:
            known = ", ".join(kept) or "none, because this model is not trained in epochs"
            raise RecipeError(
                f"sweep.objective {objective!r} is not in the training history; columns: {known}"
            )
        table = history.frame().set_index("epoch")
        io.write_table(table, _made(self.out / HISTORIES) / f"{trial.point:04d}.csv")
        seconds = sum(row["seconds"] for row in history.rows)
        trial.note(best_epoch=int(kept["epoch"]), epochs=len(history.rows), seconds=seconds)
        value = kept[objective]
        if math.isfinite(value):
            self.study.tell(trial, value)
        else:
            self.study.fail(trial, f"{objective} is {value}")
        self._say(trial, f"{objective} {value:,.6g}")

    def _say(self, trial: Trial, result: str) -> None:
        done = self.study.table()
        best = done[self.plan.sweep.objective].min()
        best_yet = "" if math.isnan(best) else f", best {best:,.6g}"
        settings = ", ".join(f"{key} {_short(item)}" for key, item in trial.settings.items())
        said = f"{result}{best_yet} ({settings})"
        self.progress.done(len(done), self.plan.n_points, said)


def _write(study: Study, out: Path) -> Path:
    """Results of a sweep that is done; the caller holds the lock of the study."""
    plan, table = study.plan, study.table()
    objective = plan.sweep.objective
    io.write_table(table.set_index("trial"), out / TRIALS)
    if table[objective].isna().all():
        raise RunError(
            f"every trial failed ({table['failed'].iloc[0]}); mend the recipe and remove {out}"
        )
    _draw(plan, table, out)
    row = table.iloc[int(table[objective].argmin())]
    best = plan.tables_at(study.settings(int(row["trial"])))
    best["name"] = f"{plan.name}_best"
    best = with_files(best, lambda _, path: _from_here(path, out))
    about = f"# Best of {len(table)} trials of {plan.name}: {objective} {row[objective]:.6g}\n"
    lost = [str(path) for path in files_in(best).values() if not (out / path).exists()]
    about += f"# Put here, or say where they are: {', '.join(lost)}\n" * bool(lost) + "\n"
    write_text(out / BEST, about + toml.document(best))
    return out / BEST


def _from_here(path: str, folder: Path) -> str:
    """A file as a recipe in `folder` names it: its name alone where the way there leaves the folder
    that the user works in, and would tell whose it is (``run --data`` then says where it lies)."""
    place, here = Path(path).expanduser().resolve(), Path.cwd()
    if path == "-" or not (place.is_relative_to(here) and folder.resolve().is_relative_to(here)):
        return Path(path).name
    return Path(os.path.relpath(place, folder.resolve())).as_posix()


def _draw(plan: Plan, table: pd.DataFrame, out: Path) -> None:
    """All figures, in a folder that replaces the old one when it is whole."""
    from tybalt_like import pl
    from tybalt_like.pl.sweep import marginals, parallel_coordinates, sweep_panels

    settings, objective = list(plan.space), plan.sweep.objective
    log = [key for key, given in plan.space.items() if isinstance(given, Range) and given.log]
    work = _made(out / f".{FIGURES}.partial")
    for name, draw in (("parallel", parallel_coordinates), ("marginals", marginals)):
        pl.save(draw(table, settings, objective=objective, log=log), work, name)
    if plan.sweep.sampler == "grid":
        pl.save(sweep_panels(table, settings, objective=objective), work, "panels")
    shutil.rmtree(out / FIGURES, ignore_errors=True)
    work.rename(out / FIGURES)


def _short(item: object) -> str:
    return f"{item:.4g}" if isinstance(item, float) else str(item)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
