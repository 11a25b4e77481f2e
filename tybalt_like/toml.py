"""Tables of plain values as TOML text; `tomllib` reads them back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


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


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {value(item)}\n" for key, item in table.items()]


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "_").isidentifier()
    return key if bare else value(key)
