"""Checked settings: a table of plain values becomes a frozen dataclass, or one clear sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeVar

from tybalt_like.core.errors import RecipeError

T = TypeVar("T")


def checked(kind: type[T], table: Mapping[str, Any], *, where: str) -> T:
    """Fill the dataclass `kind` from `table`, checking names, types and ranges.

    Parameters
    ----------
    kind
        A dataclass with annotated fields; its ``__post_init__`` may raise RecipeError.
    table
        Plain values as TOML or keyword arguments give them.
    where
        Name of the table in messages, for example ``"training"``.

    Raises
    ------
    RecipeError
        Names the unknown key (with the nearest known one) or the value that does not fit.
    """
    from pydantic import TypeAdapter, ValidationError

    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise RecipeError(f"unknown key {where}.{key}; {hint}")
    try:
        return TypeAdapter(kind).validate_python(dict(table))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join([where, *map(str, first["loc"])])
        got = "" if first["type"] == "missing" else f", not {first['input']!r}"
        raise RecipeError(f"{path}: {first['msg'].lower()}{got}") from None
