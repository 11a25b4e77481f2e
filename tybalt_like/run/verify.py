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
from tybalt_like.core.files import checksum, written_files
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
SOLVED, TRAINED, RANKED = 1e-3, 0.1, 0.02
"""Elsewhere, and by other versions, a score or a latent feature may differ in one sample by so many
standard deviations of its column: what is solved, and what is trained in epochs, where rounding
grows from step to step. A p-value may differ by `RANKED`. Measured by ``python tests/benchmarks
verify``."""


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
    largest
        By table, the largest difference in standard deviations of its column, or in p.
    """

    elsewhere: list[str]
    differs: Difference | None
    compared: list[str]
    largest: Mapping[str, float] = field(default_factory=dict)


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


def _within_bounds(folder: Path, again: Path, recipe: Recipe, elsewhere: list[str]) -> Verified:
    """Scores, p-values and latent features near enough, and the same calls."""
    about, of_model = about_of(again), SOLVED if recipe.model.kind.steps is Model.steps else TRAINED
    measured = [(LATENT, name, "values", of_model) for name in about["features"]]
    for column, model, _, what in about["score_columns"]:
        if what == "value":
            bound = of_model if model == recipe.model.name else SOLVED
            measured.append((SCORES, column, "values", bound))
        elif what in ("p_value", "q_value"):
            measured.append((SCORES, column, "p", RANKED))
        elif what == "flagged" and model == about["detector"]["name"]:
            measured.insert(0, (SCORES, column, "calls", 0.0))
    largest, differs = dict[str, float](), None
    read = {name: [_text(one / name) for one in (folder, again)] for name in (SCORES, LATENT)}
    for table, (was_nc, now_nc) in read.items():
        shape = _shape_differs(table, was_nc, now_nc)
        if shape is not None:
            return Verified(elsewhere, shape, list(read))
    for table, column, what, bound in measured:
        was_nc, now_nc = read[table]
        off_n = _off(was_nc[column], now_nc[column], what)
        said = f"{table}, {what} of {bound:g}"
        largest[said] = max(largest.get(said, 0.0), float(off_n.max(initial=0.0)))
        if differs is None and (off_n > bound).any():
            row = int(np.argmax(off_n > bound))
            values = str(was_nc[column].iloc[row]), str(now_nc[column].iloc[row])
            differs = Difference(table, str(was_nc.iloc[row, 0]), column, *values)
    return Verified(elsewhere, differs, list(read), largest)


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


def _off(was_n: pd.Series, now_n: pd.Series, what: str) -> NDArray[np.float64]:
    """How far values are off, in standard deviations, or as they are if in p; infinitely where
    only one is a number, or texts differ."""
    was, now = (pd.to_numeric(one, errors="coerce").to_numpy(np.float64) for one in (was_n, now_n))
    known = was[np.isfinite(was)]
    spread = float(known.std()) if what == "values" and len(known) else 1.0
    off_n: NDArray[np.float64] = np.abs(was - now) / (spread or 1.0)
    text_n = np.isnan(off_n)
    same_n = (was_n == now_n).to_numpy()
    off_n[text_n] = np.where(same_n[text_n], 0.0, np.inf)
    return off_n
