"""A large file of new samples, scored in shards by many processes, and the shards merged.

Each process reads its own samples, and a few that stand for all. A merge computes what takes all
samples (`run.seen`) from what the shards kept, without reading the file again, and says to the last
byte what one process would have said.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import anomaly, io
from tybalt_like.core.errors import RecipeError, RunError
from tybalt_like.core.files import checksum, content_of, whole_file, write_text
from tybalt_like.core.folders import whole_folder
from tybalt_like.core.marker import check_intact, kind_of
from tybalt_like.core.rows import block_starts
from tybalt_like.core.stored import read_json, sound
from tybalt_like.io.not_genes import not_genes
from tybalt_like.pp.findings import Tally
from tybalt_like.pp.matrix import spread_out, spread_rows
from tybalt_like.pp.sex import SexGenes
from tybalt_like.run.about import versions
from tybalt_like.run.calls import of_genes
from tybalt_like.run.folder import Run
from tybalt_like.run.seen import Assessed, Portion, Seen

if TYPE_CHECKING:
    from anndata import AnnData

KIND = "shard"
ABOUT, ARRAYS = "shard.json", "shard.npz"
GENES = "genes"
"""Column of the score table with the first genes of each sample (`run.calls.of_genes`)."""


@dataclass(frozen=True)
class Shard:
    """One of several parts of a file, counted from 1."""

    number: int
    of: int

    @classmethod
    def parsed(cls, text: str) -> Self:
        """From ``3/16``.

        Raises
        ------
        RecipeError
            If it is written otherwise, or there is no such shard.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise RecipeError(f"--shard {text}: write NUMBER/ALL, from 1/16 to 16/16")
        return cls(int(found[1]), int(found[2]))

    def portion(self, samples: Sequence[str], genes: Sequence[str]) -> Portion:
        """Its samples of a file, whole blocks of `core.rows`, and those that stand for all.

        Raises
        ------
        RecipeError
            If there are fewer blocks than shards.
        """
        n = len(samples)
        starts = block_starts(n)
        if self.of > len(starts):
            raise RecipeError(
                f"--shard {self}: {n:,} samples are too few for that; at most 1/{len(starts)}"
            )
        mine = np.array_split(starts, self.of)[self.number - 1]
        last = mine[-1]
        stop = n if last == starts[-1] else starts[starts.index(last) + 1]
        spread = spread_out(n, int((~not_genes(np.asarray(genes, dtype=object))).sum()))
        rows_n = np.union1d(np.arange(mine[0], stop), spread)
        return Portion(int(mine[0]), int(stop), n, rows_n)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


class Read(NamedTuple):
    """Samples of a shard and those that stand for all, and what tells the file from others."""

    adata: AnnData
    portion: Portion
    file: dict[str, Any]


def read(
    matrix: Path,
    shard: Shard,
    *,
    obs: Path | None = None,
    usual: Mapping[str, Any] | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Read:
    """The samples of a shard; see `io.read` for when a file is read whole for that.

    Raises
    ------
    RecipeError
        If there are more shards than the file can be divided into, or it is standard input.
    DataError
        If the file cannot be read.
    """
    if str(matrix) == "-":
        raise RecipeError("standard input cannot be scored in shards; save it to a file")
    portions, names = list[Portion](), list[str]()

    def choose(samples: Sequence[str], genes: Sequence[str]) -> NDArray[np.intp]:
        portions.append(shard.portion(samples, genes))
        names.extend((*samples, *genes))
        return portions[-1].rows_n

    adata = io.read(matrix, obs=obs, usual=usual, choose=choose, **(reading or {}))
    portion = portions[-1]
    stand_in = adata[np.searchsorted(portion.rows_n, spread_out(portion.n_obs, adata.n_vars))]
    digest = hashlib.sha256("\n".join(map(str, names)).encode())
    digest.update(spread_rows(stand_in).tobytes())
    return Read(adata, portion, {"name": matrix.name, "sample of it": digest.hexdigest()})


def write(
    out: Path,
    shard: Shard,
    run: Run,
    found: Read,
    *,
    controls: AnnData | None = None,
    of_interest: Collection[str] = (),
    settings: Mapping[str, Any],
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
) -> None:
    """Score a shard, and keep in a folder what the merge needs.

    Parameters
    ----------
    out
        The folder to make.
    found
        The shard, as `read` returned it.
    controls, of_interest
        See `Run.assess`.
    settings
        What else has to be the same in all shards.
    inputs
        Files that `out` must not hold.

    Raises
    ------
    DataError
        If the samples do not suit.
    RunError
        If the folder exists and may not be replaced.
    """
    same = {
        "file": found.file,
        "run": identity(run),
        "versions": versions(),
        "options": {**settings, "genes of interest": sorted(of_interest)},
    }
    inputs = [run.folder, *inputs]
    with whole_folder(out, kind=KIND, settings=same, inputs=inputs, overwrite=overwrite) as work:
        seen = Seen.of(
            run,
            found.adata,
            controls=controls,
            of_interest=of_interest,
            portion=found.portion,
        )
        arrays, about = _packed(seen)
        write_text(work / ABOUT, json.dumps({"shard": str(shard), "same": same, **about}))
        with whole_file(work / ARRAYS) as partial, partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)


def merge(run: Run, folders: Sequence[Path]) -> Merged:
    """What one process would have said of the file whose shards lie in these folders.

    Raises
    ------
    RunError
        If a shard is missing or there twice, or the shards are not of this run, of one file, or
        made by one version with the same options.
    """
    if not folders:
        raise RecipeError("name the folders of the shards")
    found = {folder: _about(folder) for folder in folders}
    first = next(iter(found))
    for folder, about in found.items():
        for what, mine in about["same"].items():
            if mine != found[first]["same"][what]:
                raise RunError(
                    f"{first} and {folder} are no shards of one result: {what} "
                    f"{_difference(found[first]['same'][what], mine)}"
                )
    if found[first]["same"]["run"] != identity(run):
        raise RunError(f"the shards were scored by another run than {run.folder}; name theirs")
    if found[first]["same"]["versions"] != versions():
        said = _difference(found[first]["same"]["versions"], versions())
        raise RunError(f"the shards were scored by other versions: {said}; merge them with theirs")
    in_order = _in_order({folder: Shard.parsed(about["shard"]) for folder, about in found.items()})
    seen = [_loaded(folder, found[folder]) for folder in in_order]
    assessed = Seen.joined([part for part, _ in seen]).judged(run)
    first_genes = pd.concat([genes for _, genes in seen])
    return Merged(assessed, assessed.scores.assign(**{GENES: first_genes}), in_order)


@dataclass(frozen=True)
class Merged:
    """What shards say together.

    Attributes
    ----------
    assessed
        As of one process, but for the genes, of which `genes` takes a shard at a time.
    table
        The score table.
    """

    assessed: Assessed
    table: pd.DataFrame
    folders: Sequence[Path]

    def genes(self) -> Iterator[pd.DataFrame]:
        """Genes behind the scores, shard after shard."""
        for folder in self.folders:
            with sound(folder / ARRAYS), np.load(folder / ARRAYS, allow_pickle=False) as arrays:
                yield _frame(arrays, GENES).set_index("sample")


def identity(run: Run) -> str:
    """What tells the files of a run that scores depend on from those of others."""
    told = {name: checksum(run.folder / name) for name in sorted(run.files)}
    return hashlib.sha256(json.dumps([told, run.about["fdr"]]).encode()).hexdigest()


def content(path: Path | None) -> dict[str, Any] | None:
    """What tells a small file that scores depend on from others."""
    return None if path is None else content_of(path)


def _about(folder: Path) -> dict[str, Any]:
    if kind_of(folder) != KIND:
        raise RunError(f"{folder} is no shard; name folders that `score --shard` made")
    check_intact(folder, [ABOUT, ARRAYS])
    return read_json(folder / ABOUT)


def _in_order(shards: Mapping[Path, Shard]) -> list[Path]:
    """The folders by number, each number once."""
    of = {shard.of for shard in shards.values()}
    if len(of) > 1:
        raise RunError(f"the file was divided into {' and '.join(map(str, sorted(of)))} shards")
    found: dict[int, Path] = {}
    for folder, shard in shards.items():
        if shard.number in found:
            raise RunError(f"shard {shard} is there twice: {found[shard.number]} and {folder}")
        found[shard.number] = folder
    numbers = range(1, of.pop() + 1)
    if missing := [str(number) for number in numbers if number not in found]:
        are = "is" if len(missing) == 1 else "are"
        raise RunError(f"of {len(numbers)} shards {', '.join(missing)} {are} missing; score them")
    return [found[number] for number in numbers]


def _difference(one: Any, other: Any) -> str:
    """How two settings differ, in words."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return "differ" if len(str(one)) + len(str(other)) > 60 else f"is {one} and {other}"
    keys = [key for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]
    return "; ".join(f"{key} {_difference(one.get(key), other.get(key))}" for key in keys)


def _packed(seen: Seen) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """All that the merge needs, as arrays without pickles and plain values."""
    tally, sex = asdict(seen.tally), asdict(seen.sex)
    plain = {name: tally.pop(name) for name in ("n_missing", "n_zero", "whole")}
    portion = {"start": seen.portion.start, "stop": seen.portion.stop, "n_obs": seen.portion.n_obs}
    about = {
        "portion": portion,
        "tally": plain,
        "sex": {"column": sex.pop("column"), "genes": sex.pop("genes")},
        "verdict": None if seen.verdict is None else asdict(seen.verdict),
        "notes": seen.notes,
    }
    arrays = {f"tally.{name}": _plain(values) for name, values in tally.items()}
    arrays |= {f"sex.{name}": _plain(values) for name, values in sex.items()}
    arrays["query_qg"] = seen.query_qg
    shown = of_genes(seen.genes).rename(GENES).rename_axis("sample").reset_index()
    tables = {"scores": seen.scores.reset_index(), GENES: seen.genes, "shown": shown}
    for table, frame in tables.items():
        arrays |= {f"{table}.{name}": _plain(frame[name].to_numpy()) for name in frame}
    return arrays, about


def _plain(values: Any) -> NDArray[Any]:
    array: NDArray[Any] = np.asarray(values)
    return array.astype(str) if array.dtype == object else array


def _loaded(folder: Path, about: Mapping[str, Any]) -> tuple[Seen, pd.Series]:
    """What a shard kept, and the first genes of its samples."""
    with sound(folder / ARRAYS), np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        start, stop, n_obs = (about["portion"][name] for name in ("start", "stop", "n_obs"))
        sex = _fields(arrays, "sex") | about["sex"]
        verdict = about["verdict"]
        seen = Seen(
            Portion(start, stop, n_obs, np.arange(start, stop)),
            _frame(arrays, "scores").set_index("sample"),
            pd.DataFrame(),
            Tally(**_fields(arrays, "tally"), **about["tally"]),
            SexGenes(**sex | {"genes": tuple(sex["genes"])}),
            arrays["query_qg"],
            None if verdict is None else anomaly.Verdict(**verdict),
            list(about["notes"]),
        )
        return seen, _frame(arrays, "shown").set_index("sample")[GENES]


def _fields(arrays: Mapping[str, NDArray[Any]], table: str) -> dict[str, Any]:
    names = [name for name in arrays if name.startswith(f"{table}.")]
    found = {name.removeprefix(f"{table}."): arrays[name] for name in names}
    return {name: a.astype(object) if a.dtype.kind == "U" else a for name, a in found.items()}


def _frame(arrays: Mapping[str, NDArray[Any]], table: str) -> pd.DataFrame:
    return pd.DataFrame(_fields(arrays, table))
