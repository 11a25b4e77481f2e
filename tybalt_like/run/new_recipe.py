"""A commented recipe for a matrix that somebody has."""

from __future__ import annotations

import os
import re
import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tybalt_like import io, pp
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.messages import some
from tybalt_like.core.provenance import is_images, recorded
from tybalt_like.core.toml import document
from tybalt_like.pp.labels import candidates, with_counts
from tybalt_like.pp.learning import suited
from tybalt_like.pp.repeats import origins, repeats
from tybalt_like.pp.split import MIN_REFERENCE
from tybalt_like.run.cohort import IMAGES
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.recipe_keys import recipe_keys

if TYPE_CHECKING:
    from anndata import AnnData

NORMAL = re.compile(
    r"normal|control|ctrl|healthy|reference|wild.?type|wt|untreated|vehicle|none", re.I
)
"""Labels of samples that others are usually compared with."""
WIDTH = 98


def new_recipe(
    matrix: Path,
    *,
    obs: Path | None = None,
    reading: Mapping[str, Any] | None = None,
    folder: Path = Path(),
) -> str:
    """A recipe that fits a matrix, as a TOML document: how it was read, the normalisation that its
    scale asks for, and, commented out, the sample columns that could serve.

    Parameters
    ----------
    obs
        Sample table to join to it.
    reading
        Options of `io.read`.
    folder
        Where the recipe will lie: it names files from there.

    Raises
    ------
    DataError
        If the matrix cannot be read, or a run would refuse it.
    RecipeError
        If it is standard input, which no recipe can name.
    """
    if str(matrix) == "-":
        raise RecipeError("a recipe names its matrix, and standard input has no name; give a file")
    given = dict(reading or {})
    adata = io.read(matrix, obs=obs, **given)
    findings = pp.inspect(adata)
    pp.check(findings, at_least=MIN_REFERENCE)
    files = {"path": matrix, "obs": obs, "tx2gene": given.get("tx2gene")}
    named = {key: _from(folder, Path(path)) for key, path in files.items() if path is not None}
    usual = IMAGES if is_images(adata) else suited(findings.scale)
    tables: dict[str, dict[str, Any]] = {"data": given | named, "normalize": usual}
    possible, columns = _possible(adata), ", ".join(map(str, adata.obs.columns)) or "none"
    remarks = {
        "data": f"Sample columns: {columns}.",
        "normalize": f"Found: {findings.scale} ({findings.evidence}).",
    }
    title = f"{matrix.name}: {findings.n_obs:,} samples x {findings.n_vars:,} genes"
    how = [str(recorded(adata)["reading"]["format"]), *recorded(adata)["reading"]["notes"]]
    lines = [
        *_comment(f"{title}; {'; '.join(how)}"),
        *_comment("Carry it out: tybalt-like run THIS_FILE. Keys: tybalt-like recipe --explain."),
        _entry("name", matrix.name.split(".")[0] or "run"),
        _entry("seed", 0),
    ]
    for table in ("data", "split", "normalize", "model", "scores", "evaluation"):
        entries = list(_entries(table, tables.get(table, {}), possible))
        if entries:
            lines += ["", f"[{table}]", *_comment(remarks.get(table, "")), *entries]
    text = "\n".join(lines) + "\n"
    Recipe.from_tables(tomllib.loads(text))
    return text


def _from(folder: Path, path: Path) -> str:
    """The file as it is named from a folder."""
    if path.is_absolute():
        return str(path)
    return Path(os.path.relpath(path, folder)).as_posix()


def _possible(adata: AnnData) -> dict[str, tuple[Any, str]]:
    """Values that keys could have, each with what speaks for it."""
    found, labels = dict[str, tuple[Any, str]](), candidates(adata)
    if adata.obs.columns.empty:
        found["data.obs"] = ("samples.tsv", "")
    if labels:
        column, known = next(iter(labels.items()))
        normal = _normal(known)
        found["data.label"] = (column, f"Could serve: {with_counts(labels)}.")
        found["data.normal"] = ([normal], "")
        found["data.anomalies"] = ([label for label in known if label != normal], "")
    if together := repeats(adata):
        names = some([repeat.column for repeat in together])
        found["split.group"] = (together[0].column, f"Values repeat: {names}.")
    if batches := origins(adata):
        found["evaluation.batch"] = (batches[0], f"Could serve: {some(batches)}.")
    return found


def _normal(known: Counter[str]) -> str:
    """The label that sounds like a reference, or else the one of most samples."""
    ordered = [label for label, _ in known.most_common()]
    return next((label for label in ordered if NORMAL.fullmatch(label)), ordered[0])


WORTH_SHOWING = (
    *("model.name", "scores.fdr", "scores.detector", "evaluation.seeds"),
    *("normalize.n_genes", "normalize.scale"),
)
"""Keys whose defaults are written out, to be changed."""


def _entries(
    table: str, given: Mapping[str, Any], possible: Mapping[str, tuple[Any, str]]
) -> Iterator[str]:
    """The keys of a table that are given, could be, or are worth showing, as they are declared."""
    for key in recipe_keys():
        room, _, name = key.key.partition(".")
        if room != table or key.model:
            continue
        if name in given:
            yield from [*_comment(_first(key.meaning)), _entry(name, given[name])]
        elif key.key in possible:
            value, why = possible[key.key]
            yield from [*_comment(f"{_first(key.meaning)} {why}"), f"# {_entry(name, value)}"]
        elif key.key in WORTH_SHOWING:
            yield from [*_comment(_first(key.meaning)), f"{name} = {key.default}"]


def _first(meaning: str) -> str:
    """Its first sentence, without markup."""
    return re.split(r"(?<=\.)\s", meaning.replace("``", ""), maxsplit=1)[0].replace("`", "")


def _comment(text: str) -> list[str]:
    """Lines of a comment; what a file says in it stays in it."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return [f"# {line}" for line in textwrap.wrap(plain, WIDTH)]


def _entry(key: str, value: Any) -> str:
    if isinstance(value, list):
        return f"{key} = [{', '.join(_entry('', one).removeprefix(' = ') for one in value)}]"
    return f"{key} = {document({'value': value}).removeprefix('value = ').strip()}"
