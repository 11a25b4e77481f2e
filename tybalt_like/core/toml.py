"""Tables of plain values as TOML: written, read, and changed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tybalt_like.core.errors import RecipeError


def document(tables: Mapping[str, Any]) -> str:
    """A TOML document: values first, then one section per table; tables in these are inline."""
    values = {key: item for key, item in tables.items() if not isinstance(item, Mapping)}
    sections = {key: item for key, item in tables.items() if isinstance(item, Mapping)}
    parts = ["".join(_lines(values))] if values else []
    parts += [f"[{_key(key)}]\n" + "".join(_lines(table)) for key, table in sections.items()]
    return "\n".join(parts)


def value(item: Any) -> str:
    """One value: text, number, truth value, list or table.

    Raises
    ------
    TypeError
        For anything else; TOML has no null.
    """
    match item:
        case bool():
            return "true" if item else "false"
        case int() | float():
            return repr(item)  # the shortest digits that give the same number back
        case str():
            # JSON's escapes are TOML's, which wants DEL escaped too.
            return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(value, item))}]"
        case Mapping():
            pairs = ", ".join(f"{_key(key)} = {value(entry)}" for key, entry in item.items())
            return f"{{ {pairs} }}" if pairs else "{}"
    raise TypeError(f"TOML has no {type(item).__name__}")


def tables_of(path: Path, *, profile: str | None = None) -> dict[str, Any]:
    """The tables of a TOML file; paths in it are relative to it.

    With `profile`, the tables below ``[profile.<name>]`` change those of the recipe.

    Raises
    ------
    RecipeError
        If there is no such file or profile, or it is not TOML.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"no recipe {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from None
    profiles = tables.pop("profile", {})
    if profile is not None:
        if not isinstance(profiles, dict) or profile not in profiles:
            known = ", ".join(profiles) or "none"
            raise RecipeError(f"{path} has no profile {profile!r}; it has: {known}")
        tables = _overridden(tables, profiles[profile])
    for name, key in (("data", "path"), ("data", "obs"), ("scores", "gene_sets")):
        table = tables.get(name)
        if isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = str(path.parent / table[key])
    return {"name": path.stem} | tables


def _overridden(tables: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables in which the keys of `changes` hold what they hold there."""
    merged = dict(tables)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _overridden(merged[key], value) if both else value
    return merged


def changed(tables: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Apply ``table.key=value`` settings, the value in TOML or as a bare word."""
    result: dict[str, Any] = json.loads(json.dumps(tables))
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals:
            raise RecipeError(f"--set {change!r}: write table.key=value")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        *parents, key = path.strip().split(".")
        table = result
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise RecipeError(f"--set {change!r}: {parent} is not a table")
        table[key] = value
    return result


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {value(item)}\n" for key, item in table.items()]


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "_").isidentifier()
    return key if bare else value(key)
