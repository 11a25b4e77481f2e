"""Checked settings: a table of plain values becomes a frozen dataclass, or one clear sentence."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from tybalt_like.core.discovery import load_from_rooms
from tybalt_like.core.errors import RecipeError

T = TypeVar("T")

_NAME = re.compile(r"[\w-]+")

FilePath = Annotated[str, "a file that is read"]
"""Type of a setting that names a file: relative to the recipe that names it."""
NamedFile = Annotated[str, "a file that is read, or the name of a known one"]
"""The same, but that a word without dots and slashes is a name unless there is such a file."""
TABLES: dict[str, type] = {}
"""The settings that belong to each table of a recipe; see `table`."""
CHOICES: dict[str, dict[str, type]] = {}
"""Of tables whose ``name`` chooses what else they hold: the settings by that name."""


def table(name: str) -> Callable[[type[T]], type[T]]:
    """Declare a dataclass to be what the table ``[name]`` of a recipe holds."""

    def register(kind: type[T]) -> type[T]:
        TABLES[name] = kind
        return kind

    return register


def checked(kind: type[T], given: Mapping[str, Any], *, where: str) -> T:
    """Fill the dataclass `kind` from `given`, checking names, types and ranges.

    Parameters
    ----------
    kind
        A dataclass with annotated fields; its ``__post_init__`` may raise RecipeError.
    given
        Plain values as TOML or keyword arguments give them.
    where
        Name of the table in messages, for example ``"training"``.

    Raises
    ------
    RecipeError
        Names the unknown key (with the nearest known one) or the value that does not fit.
    """
    from pydantic import TypeAdapter, ValidationError

    if not isinstance(given, Mapping):
        raise RecipeError(f"{where} must be a table: [{where}]")
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise RecipeError(f"unknown key {where}.{key}; {hint}")
    try:
        return TypeAdapter(kind).validate_python(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join([where, *map(str, first["loc"])])
        got = "" if first["type"] == "missing" else f", not {first['input']!r}"
        raise RecipeError(f"{path}: {first['msg'].lower()}{got}") from None


def located(tables: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Tables of a recipe in which every file is named from here, not from the recipe's folder."""
    return with_files(tables, lambda _, path: str(folder / path), folder)


def pinned(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Tables in which every file is named by its whole path, its size and its time of change:
    equal tables mean equal files."""
    return with_files(tables, lambda _, path: _stamp(path))


def by_name(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Tables in which every file is named without its folders, which can tell who works where."""
    return with_files(tables, lambda _, path: Path(path).name)


def files_in(tables: Mapping[str, Any]) -> dict[str, Path]:
    """The files that the tables of a recipe name, by dotted key such as ``data.path``; without
    standard input."""
    found = dict[str, Path]()

    def note(key: str, path: str) -> str:
        found[key] = Path(path)
        return path

    with_files(tables, note)
    return {key: path for key, path in found.items() if str(path) != "-"}


def with_files(
    tables: Mapping[str, Any], named: Callable[[str, str], Any], folder: Path = Path()
) -> dict[str, Any]:
    """Tables in which `named` says, of its dotted key and what is there, how each file is named.

    Parameters
    ----------
    folder
        Where files are looked for, which tells their names from names of known ones.
    """
    result = dict(tables)
    for name, kind in _tables(tables).items():
        given = tables.get(name)
        if isinstance(given, Mapping):
            paths = _files(kind, given, folder).items()
            result[name] = dict(given) | {key: named(f"{name}.{key}", path) for key, path in paths}
    return result


def _tables(tables: Mapping[str, Any]) -> dict[str, type]:
    """`TABLES`, those of every kind of recipe included, and what these tables choose."""
    load_from_rooms("kind")
    chosen = dict(TABLES)
    for name, kinds in CHOICES.items():
        given = tables.get(name)
        if isinstance(given, Mapping) and (kind := kinds.get(str(given.get("name")))):
            chosen[name] = kind
    return chosen


def _stamp(path: str) -> list[str | int]:
    file = Path(path).resolve()
    if not file.is_file():
        return [str(file)]
    return [str(file), file.stat().st_size, file.stat().st_mtime_ns]


def files_of(settings: object) -> Iterator[Path]:
    """The files that settings name, those of settings within them included."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}  # type: ignore[arg-type]
    for value in values.values():
        if is_dataclass(value):
            yield from files_of(value)
    yield from (Path(path) for path in _files(type(settings), values).values() if path != "-")


def plain(settings: Any) -> dict[str, Any]:
    """Settings as plain values, with files named without their folders."""
    values = asdict(settings)
    files = _files(type(settings), values).items()
    return values | {key: Path(path).name for key, path in files}


def _files(kind: type, given: Mapping[str, Any], folder: Path = Path()) -> dict[str, str]:
    """What the settings of a dataclass that name files have been given."""
    found = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        value, kinds = given.get(name), (hint, *_options(hint))
        if not isinstance(value, str) or not {FilePath, NamedFile} & set(kinds):
            continue
        if FilePath in kinds or not _NAME.fullmatch(value) or (folder / value).is_file():
            found[name] = value
    return found


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (types.UnionType, Union) else ()
