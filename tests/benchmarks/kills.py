"""Commands that are killed at random moments and gone on with: what is left, what comes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache, partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tybalt_like.benchmark.rows import Kept
from tybalt_like.core.errors import RunError
from tybalt_like.core.files import checksum
from tybalt_like.core.folders import RESUMABLE, unfinished
from tybalt_like.core.marker import MARKER, check_intact, written_files
from tybalt_like.io import datasets
from tybalt_like.report import PAGE
from tybalt_like.run.progress import Progress

COMMAND = (sys.executable, "-m", "tybalt_like")
ONE_THREAD = ("--threads", "1")
KEY = ("command", "turn")
IN_A_ROW = 3
"""So often one command is killed before it may finish."""
BEGINS = 0.25
"""Of the processor time of a whole run: before, little but imports happens."""
TIMES = frozenset({"created", "seconds"})
"""Keys and columns that are never the same."""
NOT_COMPARED = frozenset({PAGE, MARKER, "study.journal"})
"""They hold times and checksums of files with times; the journal of a sweep, also dead trials."""
_RECIPE = """
data = { path = "m.tsv", obs = "o.tsv", label = "pam50" }
normalize = { n_genes = 100 }
model = { name = "tybalt", latent_dim = 5 }
training = { epochs = 15, min_epochs = 15, checkpoint_seconds = 0 }
evaluation = { seeds = 0 }
"""
_SWEEP = """
sweep = { space = { "training.epochs" = [5, 10, 15], "model.latent_dim" = [3, 5] } }
"""
_PERTURBATION = (
    *("--set", "simulation.groups=60", "--set", "simulation.n_genes=40"),
    *("--set", "perturbation.folds=3", "--set", "training.epochs=10"),
)


class Case(NamedTuple):
    """A command that writes the folder ``out``.

    Attributes
    ----------
    words
        What goes on with it too.
    within
        Whether it adds to a folder that is there, which each time is a copy of a finished run.
    grows
        Whether its folder is there, under its name, before all is done.
    """

    words: tuple[str, ...]
    within: bool = False
    grows: bool = False


CASES = {
    "run": Case(("run", "run.toml", "--out", "out", "--resume")),
    "aberrant": Case(("aberrant", "counts.tsv", "--out", "out")),
    "perturbation": Case(
        ("perturbation", "drvae_simulated", "--out", "out", "--resume", *_PERTURBATION)
    ),
    "sweep": Case(("sweep", "sweep.toml", "--out", "out"), grows=True),
    "explain": Case(("explain", "out", "--contrast", "pam50: Basal-like - Luminal A"), within=True),
}


def kills(
    *, only: list[str] | None = None, seeds: int = 30, file: Path | None = None, progress: Progress
) -> pd.DataFrame:
    """SIGKILL at so many moments of each command, drawn from its processor time.

    Up to `IN_A_ROW` kills are followed by the same command, which is let finish; its folder has
    to be that of an uninterrupted one, byte by byte but for times, and nothing may lie under the
    name of a finished folder before.
    """
    rows = Kept(file, KEY)
    for name in only or CASES:
        with TemporaryDirectory(prefix="tybalt_like-kills-") as place:
            uninterrupted = cache(partial(_uninterrupted, CASES[name], Path(place)))
            done = 0
            for turn in count():
                if done >= seeds:
                    break
                if not rows.has(name, turn):
                    most = min(IN_A_ROW, seeds - done)
                    found = pd.DataFrame(_turn(CASES[name], uninterrupted(), seed=turn, most=most))
                    rows.add(found.assign(command=name, turn=turn))
                done += rows.rows().query("command == @name and turn == @turn")["killed"].sum()
                progress.say(f"{name}: {done} of {seeds} kills")
    return rows.rows()


def print_kills(rows: pd.DataFrame) -> None:
    """One line for each command."""
    table = rows.groupby("command", sort=False).agg(
        kills=("killed", "sum"),
        with_work_kept=("kept", "sum"),
        looked_whole=("looks_whole", "sum"),
        finished=("finished", "sum"),
        the_same=("same", "sum"),
    )
    print(table.to_string())
    for row in rows[rows["differs"].fillna("") != ""].itertuples():
        print(f"{row.command}: {row.differs}")


class Uninterrupted(NamedTuple):
    """What a command does if nobody kills it: where, in what time, and what is in its folder."""

    place: Path
    seconds: float
    expected: dict[str, Any]


def _uninterrupted(case: Case, place: Path) -> Uninterrupted:
    _write_inputs(place)
    if case.within:
        _finish((*COMMAND, "run", "run.toml", "--out", "before", *ONE_THREAD), place)
    _prepare(case, place)
    seconds = _finish((*COMMAND, *case.words, *ONE_THREAD), place)
    return Uninterrupted(place, seconds, _contents(place / "out"))


def _turn(case: Case, whole: Uninterrupted, *, seed: int, most: int) -> Iterator[dict[str, Any]]:
    """A row for each kill, and one for the command that is let finish."""
    rng = np.random.default_rng(seed)
    words, place, out = (*COMMAND, *case.words, *ONE_THREAD), whole.place, whole.place / "out"
    _prepare(case, place)
    for _ in range(most):
        if not _ends_by_kill(words, place, rng.uniform(BEGINS, 1) * whole.seconds):
            break
        looks_whole = _looks_whole(case, out, whole.expected)
        yield _row(killed=1, kept=_kept(case, out), looks_whole=looks_whole)
    differs = ""
    try:
        if case.within or case.grows or not out.exists():
            _finish(words, place)
        differs = _first_difference(whole.expected, _contents(out))
    except subprocess.CalledProcessError as error:
        differs = str(error.stderr).strip()
    yield _row(finished=1, same=int(not differs), differs=differs)


def _row(**counts: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("killed", "kept", "looks_whole", "finished", "same"), 0)
    return {**nothing, "differs": "", **counts}


def _write_inputs(place: Path) -> None:
    adata = datasets.load("tcga_brca")[:120, :150]
    pd.DataFrame(adata.X.T, adata.var_names, adata.obs_names).to_csv(place / "m.tsv", sep="\t")
    adata.obs[["pam50"]].to_csv(place / "o.tsv", sep="\t")
    rng = np.random.default_rng(1)
    mean_g = rng.lognormal(5, 1, 400)
    counts_gn = rng.negative_binomial(10, 10 / (10 + mean_g), (60, 400)).T
    names = [f"ENSG{i:011d}" for i in range(400)]
    counts = pd.DataFrame(counts_gn, names, [f"s{i}" for i in range(60)])
    counts.rename_axis("gene").to_csv(place / "counts.tsv", sep="\t")
    (place / "run.toml").write_text(_RECIPE)
    (place / "sweep.toml").write_text(_RECIPE + _SWEEP)


def _prepare(case: Case, place: Path) -> None:
    out = place / "out"
    for folder in (out, unfinished(out)):
        shutil.rmtree(folder, ignore_errors=True)
    if case.within:
        shutil.copytree(place / "before", out)


def _finish(words: tuple[str, ...], place: Path) -> float:
    """Processor seconds of a command that is let finish."""
    before = os.times()
    subprocess.run([*words, "--quiet"], cwd=place, check=True, capture_output=True, text=True)
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


def _ends_by_kill(words: tuple[str, ...], place: Path, seconds: float) -> bool:
    """Whether a command was still at work after so many seconds of the processor; it is killed."""
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*words, "--quiet"], cwd=place, **nowhere)
    tick = os.sysconf("SC_CLK_TCK")
    while process.poll() is None:
        used = (
            Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        )
        if (int(used[11]) + int(used[12])) / tick >= seconds:
            process.kill()
            break
        time.sleep(0.005)
    return process.wait() < 0


def _kept(case: Case, out: Path) -> int:
    if case.grows:
        return int((out / "histories").is_dir())
    return int(any(True for pattern in RESUMABLE for _ in unfinished(out).glob(pattern)))


def _looks_whole(case: Case, out: Path, expected: dict[str, Any]) -> int:
    """Whether results lie where finished ones do, but are not those."""
    if case.within:  # the run was whole before, and has to be
        try:
            check_intact(out, written_files(out))
        except RunError:
            return 1
        return 0
    if case.grows:  # its results come last
        return int((out / "best.toml").exists() and _contents(out) != expected)
    return int(out.exists() and _contents(out) != expected)


def _contents(folder: Path) -> dict[str, Any]:
    """What is in every file, without times."""
    return {
        name: _content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in NOT_COMPARED
        and "locks" not in (name := path.relative_to(folder).as_posix())
    }


def _content(path: Path) -> Any:
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text(encoding="utf-8")))
    if path.name.endswith((".csv", ".tsv", ".tsv.gz")):
        table = pd.read_csv(path, sep="," if path.suffix == ".csv" else "\t", dtype=str)
        return table.drop(columns=[*TIMES & set(table)]).to_csv()
    if path.suffix == ".npz":
        with np.load(path) as stored:
            about = _timeless(json.loads(str(stored["about"])))
            return about, {key: stored[key].tobytes() for key in stored.files if key != "about"}
    return checksum(path)


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in TIMES}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def _first_difference(expected: dict[str, Any], found: dict[str, Any]) -> str:
    names = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    return f"{names[0]} is not the same" if names else ""
