"""Every key of a recipe, with what its declaration says of it."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from tybalt_like.core import keys
from tybalt_like.core.discovery import load_from_rooms
from tybalt_like.core.settings import CHOICES, TABLES, FilePath, NamedFile
from tybalt_like.models import Model, ModelSettings, Training
from tybalt_like.run.recipe import Recipe

REQUIRED, ABSENT = "required", "none"
"""Defaults of keys that must be given, and of those that stand for something only if they are."""
_WORDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    FilePath: "file",
    NamedFile: "file or name",
}
_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.M)
_ENTRY = re.compile(r"^(\w[\w, ]*)\n((?:(?: .*)?\n)+)", re.M)
_ELSEWHERE = re.compile(r"As in `(\w+)`")


@dataclass(frozen=True)
class RecipeKey:
    """A key of a recipe.

    Attributes
    ----------
    key
        Dotted, such as ``training.epochs``.
    type
        What it holds, in words.
    default
        As TOML writes it; `REQUIRED` or `ABSENT`.
    meaning
        What the declaration says, in reStructuredText.
    model
        The model that has the key, or for which its default is another one; empty if all are
        meant.
    """

    key: str
    type: str
    default: str
    meaning: str
    model: str = ""


def recipe_keys() -> list[RecipeKey]:
    """All keys, table by table: those of plain runs, then those that make another kind of recipe.

    Settings of a model, ``model.*``, come once for every model that has them.
    """
    load_from_rooms("kind")
    own = {field.name: field for field in fields(Recipe)}
    found = [*_keys_of(Recipe, "", only=("name", "seed"))]
    for table in [*own, *sorted(TABLES.keys() - own.keys())]:
        if table in TABLES:
            found += _keys_of(TABLES[table], table)
        elif table == "model":
            found += _keys_of_models()
    return found


def _keys_of_models() -> Iterator[RecipeKey]:
    says = inspect.getdoc(ModelSettings.name) or ""
    yield RecipeKey("model.name", "name of a model", _toml(keys.MODEL), says)
    kinds = sorted(Model.registry.items())
    for name, kind in kinds:
        yield from _keys_of(kind.Config, "model", model=name)
    usual = {key.key: key for key in _keys_of(Training, "training")}
    yield from usual.values()
    for name, kind in kinds:
        for key in _keys_of(Training, "training", model=name, values=vars(kind.training_defaults)):
            if key.default != usual[key.key].default:
                yield key


def _keys_of(
    kind: type,
    table: str,
    *,
    model: str = "",
    only: tuple[str, ...] = (),
    values: Mapping[str, Any] | None = None,
) -> Iterator[RecipeKey]:
    """Keys of a dataclass of settings; `values` are defaults in place of its own."""
    hints, said = get_type_hints(kind, include_extras=True), meanings(kind)
    for field in fields(kind):
        if only and field.name not in only:
            continue
        default = _default(field) if values is None else _toml(values[field.name])
        key = f"{table}.{field.name}".lstrip(".")
        yield RecipeKey(key, _in_words(hints[field.name]), default, said[field.name], model)


def meanings(kind: type) -> dict[str, str]:
    """What docstrings of a dataclass, and of those it inherits from, say of each field; "" where
    they say nothing."""
    found = dict.fromkeys((field.name for field in fields(kind)), "")
    for one in reversed(kind.__mro__):
        found |= {name: says for name, says in _described(one) if name in found}
    for name, says in found.items():
        if there := _ELSEWHERE.match(says):
            found[name] = meanings(_settings_named(there[1]))[name]
    return found


def _settings_named(name: str) -> type:
    """The settings of models that have that name."""
    known = [one for config in CHOICES["model"].values() for one in config.__mro__]
    return next(one for one in known if one.__name__ == name)


def _described(kind: type) -> Iterator[tuple[str, str]]:
    """Names and texts of the numpydoc sections of one docstring."""
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "") + "\n"
    _, *parts = _SECTION.split(text)
    for title, section in zip(parts[::2], parts[1::2], strict=True):
        if title in ("Parameters", "Attributes"):
            for names, says in _ENTRY.findall(section):
                yield from ((name.strip(), " ".join(says.split())) for name in names.split(","))


def _default(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return _toml(field.default)
    if field.default_factory is not MISSING:
        return _toml(field.default_factory())
    return REQUIRED


def _toml(value: Any) -> str:
    """On one line, where TOML and JSON write texts, numbers and lists alike."""
    return ABSENT if value is None else json.dumps(value)


def _in_words(hint: Any) -> str:
    """A type as people who write recipes call it."""
    kind, inner = get_origin(hint), get_args(hint)
    if hint in _WORDS:
        return _WORDS[hint]
    if kind is Annotated:
        return _in_words(inner[0]) + "".join(map(_bound, inner[1:]))
    if kind is Literal:
        return ", ".join(map(_toml, inner))
    if kind in (types.UnionType, Union):
        return " or ".join(_in_words(one) for one in inner if one is not types.NoneType)
    if kind is tuple:
        several = dict.fromkeys(_in_words(one) for one in inner if one is not Ellipsis)
        return f"list of {' and '.join(several)}"
    return "table"


def _bound(limit: Any) -> str:
    """``" above 0"`` of pydantic's types of numbers."""
    words = {"gt": "above", "ge": "from"}
    found = [(word, getattr(limit, name, None)) for name, word in words.items()]
    return "".join(f" {word} {value}" for word, value in found if value is not None)
