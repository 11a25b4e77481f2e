"""A finished run carried out again from its ``run.json``, and compared with itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import RunError
from tybalt_like.core.files import checksum
from tybalt_like.core.marker import written_files
from tybalt_like.core.stored import sound
from tybalt_like.explain import FOLDER as EXPLAINED
from tybalt_like.models import Model
from tybalt_like.report import about_of
from tybalt_like.run.about import located_again
from tybalt_like.run.folder import KIND
from tybalt_like.run.progress import Progress
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.stages import run

SCORES, LATENT = "scores.tsv", "latent.tsv.gz"
TABLES = (".tsv", ".tsv.gz", ".csv", ".safetensors")
"""Ends of the names of files that are compared."""
TIME = "seconds"
"""A column that is never the same."""
SOLVED, SOLVED_P = 1e-3, 0.02
"""By how many standard deviations of its column a score or latent feature of what is solved may
differ, in any sample, elsewhere or by other versions; and a p-value."""
TRAINED, TRAINED_P, LATENTS = 0.5, 0.2, 0.7
"""The same of what is trained in epochs, as root mean squares over samples, and of all latent
features together. Set after one pair of runs, with one thread and with two: sums in another order
let training end elsewhere. Between unrelated columns they would be 1.4 for values."""


class Difference(NamedTuple):
    """A value that is not what it was.

    Attributes
    ----------
    row, column
        Empty where the file as a whole differs.
    """

    table: str
    row: str
    column: str
    was: str
    now: str

    def __str__(self) -> str:
        if not self.column:
            return f"{self.table}: {self.was} in the run, {self.now} now"
        return (
            f"{self.table}, row {self.row}, column {self.column}: {self.was} in the run, "
            f"{self.now} now"
        )


@dataclass(frozen=True)
class Verified:
    """What came of carrying out a run again.

    Attributes
    ----------
    elsewhere
        What differs from where the run was made, in sentences; if nothing does, results have to be
        the same to the last digit, within the bounds of this module otherwise.
    differs
        The first difference that may not be; None if there is none.
    compared
        Files that were compared.
    off
        By what was compared and allowed, in a sentence: how far it is off.
    """

    elsewhere: list[str]
    differs: Difference | None
    compared: list[str]
    off: Mapping[str, float] = field(default_factory=dict)


def verify(
    folder: Path,
    *,
    data: Sequence[Path] = (),
    device: str | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Carry out a run again, into a temporary folder, and compare its tables.

    On the same kind of machine, with the same versions, device and number of threads, everything
    has to be the same to the last digit. Otherwise scores, p-values and latent features have to
    agree within bounds, and the calls have to be the same.

    Parameters
    ----------
    data
        Files that the run was made from, or folders that hold them. Without, they are looked for
        in the working folder, beside the run and above it. They have to be those of the run, by
        SHA-256.
    device
        The run's if None.

    Raises
    ------
    RunError
        If the folder is no finished run over a cohort, or a file is not found.
    DataError
        If a file is not the one that the run was made from.
    """
    about = about_of(folder)
    if about.get("kind") != KIND:
        raise RunError(
            f"{folder} is a run of another kind ({about.get('kind')}); verify takes runs over a "
            "cohort"
        )
    device = device or str(about["device"]).split(":")[0]
    recipe = Recipe.from_tables(located_again(about, folder, data=data))
    with tempfile.TemporaryDirectory(prefix="tybalt_like-") as scratch:
        again = Path(scratch) / "again"
        run(recipe, again, device=device, progress=progress)
        elsewhere = _elsewhere(about, about_of(again))
        if elsewhere:
            return _within_bounds(folder, again, recipe, elsewhere)
        return _identical(folder, again)


def _elsewhere(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How here and now differ from where and when the run was made."""
    said = []
    for what in ("versions", "platform"):
        old, new = was.get(what, {}), now[what]
        changed = [
            f"{name} {old.get(name, 'unknown')}, now {new.get(name, 'unknown')}"
            for name in dict.fromkeys([*old, *new])
            if old.get(name) != new.get(name)
        ]
        if changed:
            said.append(f"{what} differ: {'; '.join(changed)}")
    said += [
        f"{what}: {was.get(what)}, now {now.get(what)}"
        for what in ("device", "threads")
        if was.get(what) != now.get(what)
    ]
    return said


def _identical(folder: Path, again: Path) -> Verified:
    """Every digit of every table and of what is saved."""
    files = _compared(again)
    differences = (one for name in files for one in _differences(folder, again, name))
    return Verified([], next(differences, None), files)


def _compared(folder: Path) -> list[str]:
    """Tables and saved arrays; what features mean may have been explained anew since."""
    names = written_files(folder)
    first = [name for name in (SCORES, LATENT) if name in names]
    others = (name for name in names if name not in first and not name.startswith(f"{EXPLAINED}/"))
    return first + [name for name in others if name.endswith(TABLES)]


def _differences(folder: Path, again: Path, name: str) -> Iterator[Difference]:
    if not (folder / name).is_file():
        yield Difference(name, "", "", "missing", "there")
    elif name.endswith(".safetensors"):
        was, now = checksum(folder / name), checksum(again / name)
        if was != now:
            yield Difference(name, "", "", f"SHA-256 {was[:12]}", now[:12])
    elif checksum(folder / name) != checksum(again / name):
        was_nc, now_nc = _text(folder / name), _text(again / name)
        shape = _shape_differs(name, was_nc, now_nc)
        if shape is not None:
            yield shape
            return
        differs_nc = (was_nc != now_nc).to_numpy() & (was_nc.columns != TIME)
        for row, column in np.argwhere(differs_nc):
            place = str(was_nc.iloc[row, 0]), str(was_nc.columns[column])
            yield Difference(
                name, *place, str(was_nc.iloc[row, column]), str(now_nc.iloc[row, column])
            )


def _text(path: Path) -> pd.DataFrame:
    """A table as it is written."""
    with sound(path):
        separator = "," if path.suffix == ".csv" else "\t"
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)


class _Bound(NamedTuple):
    """How far some columns of a table may be off.

    Attributes
    ----------
    said
        What they are.
    most
        In their standard deviation or, if `in_p`, as they are.
    on_average
        Whether that is a root mean square over them, or the most in any of their values.
    """

    table: str
    columns: tuple[str, ...]
    said: str
    most: float
    on_average: bool = False
    in_p: bool = False


def _bounds(about: Mapping[str, Any], recipe: Recipe) -> list[_Bound]:
    """What is compared of a run that is made elsewhere: calls first."""
    solved, decides = recipe.model.kind.steps is Model.steps, about["detector"]["name"]
    found = list[_Bound]()
    for column, model, score, what in about["score_columns"]:
        trained = model == recipe.model.name and not solved
        said = f"{model or 'norm'} {what if what != 'value' else score}"
        if what == "value":
            most = TRAINED if trained else SOLVED
            found.append(_Bound(SCORES, (column,), said, most, trained))
        elif what == "p_value":
            most = TRAINED_P if trained else SOLVED_P
            found.append(_Bound(SCORES, (column,), said, most, trained, in_p=True))
        elif what == "flagged" and model == decides:
            found.insert(0, _Bound(SCORES, (column,), said, 0.0, in_p=True))
    most = SOLVED if solved else LATENTS
    found.append(_Bound(LATENT, tuple(about["features"]), "latent features", most, not solved))
    return found


def _within_bounds(folder: Path, again: Path, recipe: Recipe, elsewhere: list[str]) -> Verified:
    """Scores, p-values and latent features near enough, and the same calls."""
    read = {name: [_text(one / name) for one in (folder, again)] for name in (SCORES, LATENT)}
    for table, (was_nc, now_nc) in read.items():
        shape = _shape_differs(table, was_nc, now_nc)
        if shape is not None:
            return Verified(elsewhere, shape, list(read))
    off, differs = dict[str, float](), None
    for bound in _bounds(about_of(again), recipe):
        was_nc, now_nc = (one[list(bound.columns)] for one in read[bound.table])
        off_nc = _off(was_nc, now_nc, in_p=bound.in_p)
        most = np.sqrt(np.mean(off_nc**2)) if bound.on_average else off_nc.max(initial=0.0)
        how = "on average" if bound.on_average else "at most"
        off[f"{bound.said}: {how} {most:.2g} off, allowed {bound.most:g}"] = float(most)
        if differs is None and most > bound.most:
            row, column = divmod(int(np.argmax(off_nc)), len(bound.columns))
            place = str(read[bound.table][0].iloc[row, 0]), bound.columns[column]
            values = str(was_nc.iloc[row, column]), str(now_nc.iloc[row, column])
            differs = Difference(bound.table, *place, *values)
    return Verified(elsewhere, differs, list(read), off)


def _shape_differs(name: str, was_nc: pd.DataFrame, now_nc: pd.DataFrame) -> Difference | None:
    """That two tables have not the same columns and as many rows, or not the same names in
    them."""
    if list(was_nc) != list(now_nc) or len(was_nc) != len(now_nc):
        was, now = (f"{len(one)} rows, {len(one.columns)} columns" for one in (was_nc, now_nc))
        return Difference(name, "", "", was, now)
    same_n = (was_nc.iloc[:, 0] == now_nc.iloc[:, 0]).to_numpy()
    if same_n.all():
        return None
    row = int(np.argmin(same_n))
    was, now = str(was_nc.iloc[row, 0]), str(now_nc.iloc[row, 0])
    return Difference(name, str(row + 1), str(was_nc.columns[0]), was, now)


def _off(was_nc: pd.DataFrame, now_nc: pd.DataFrame, *, in_p: bool) -> NDArray[np.float64]:
    """How far values are off: as they are if in p, otherwise in the standard deviation of all
    columns together; infinitely where only one is a number, or texts differ."""
    was, now = (
        one.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64) for one in (was_nc, now_nc)
    )
    spread = 1.0 if in_p else float(np.sqrt(np.nanmean(np.nanvar(was, axis=0))))
    off_nc: NDArray[np.float64] = np.abs(was - now) / (spread or 1.0)
    text_nc = np.isnan(off_nc)
    same_nc = (was_nc == now_nc).to_numpy()
    off_nc[text_nc] = np.where(same_nc[text_nc], 0.0, np.inf)
    return off_nc
