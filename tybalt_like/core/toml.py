"""Recipes as tables of plain values: read, changed, and written."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import located


def tables_of(path: Path, *, profile: str | None = None) -> dict[str, Any]:
    """The tables of a TOML file; files that they name are relative to it.

    With `profile`, the tables below ``[profile.<name>]`` change those of the recipe.

    Raises
    ------
    RecipeError
        If there is no such file or profile, or it is not TOML.
    """
    try:
        tables = _loaded(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"no recipe {path}") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # TOML and Unicode errors; 5,000 digits
        raise RecipeError(f"{path} is not valid TOML: {_reason(error)}") from None
    profiles = tables.pop("profile", {})
    if profile is not None:
        if not isinstance(profiles, dict) or profile not in profiles:
            known = ", ".join(profiles) or "none"
            raise RecipeError(f"{path} has no profile {profile!r}; it has: {known}")
        tables = merged(tables, profiles[profile])
    return {"name": path.stem} | located(tables, path.parent)


DEEPEST = 30
"""Tables in tables; no recipe has more than five."""


def _loaded(text: str) -> dict[str, Any]:
    """Tables of TOML that are not nested without end."""
    tables = tomllib.loads(text)
    level: list[Any] = [tables]
    for _ in range(DEEPEST):
        inner = (list(one.values()) if isinstance(one, dict) else one for one in level)
        level = [value for one in inner for value in one if isinstance(value, (dict, list))]
    if level:
        raise RecursionError
    return tables


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def merged(tables: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables in which the keys of `changes` hold what they hold there."""
    result = dict(tables)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def own_table(
    tables: Mapping[str, Any], name: str, *, needs: str
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The tables without that one, and that one.

    Raises
    ------
    RecipeError
        `needs`, if there is no such table.
    """
    own = tables.get(name)
    if not isinstance(own, Mapping):
        raise RecipeError(needs)
    return {key: given for key, given in tables.items() if key != name}, own


def with_values(tables: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Tables with other values at dotted keys such as ``training.epochs``.

    Raises
    ------
    RecipeError
        If a part of a key but its last is no table.
    """
    result: dict[str, Any] = copy.deepcopy(dict(tables))
    for path, value in values.items():
        *parents, key = path.split(".")
        table = result
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise RecipeError(f"{path} cannot be set: {parent} is not a table")
        table[key] = value
    return result


def changed(tables: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Apply ``table.key=value`` settings, the value in TOML or as a bare word.

    Raises
    ------
    RecipeError
        If a change is not of that form.
    """
    values = {}
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals or path.count(".") > DEEPEST:
            raise RecipeError(f"--set {change[:100]!r}: write table.key=value")
        try:
            values[path.strip()] = _loaded(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[path.strip()] = text
        except (ValueError, RecursionError) as error:
            raise RecipeError(f"--set {path.strip()}: {_reason(error)}") from None
    return with_values(tables, values)


def document(tables: Mapping[str, Any]) -> str:
    """A TOML document; what is None is left out."""
    import tomli_w

    return tomli_w.dumps(_present(tables))


def _present(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _present(value) if isinstance(value, Mapping) else value
        for key, value in tables.items()
        if value is not None
    }
