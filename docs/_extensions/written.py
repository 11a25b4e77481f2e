"""Pages that are written from the package before the others are read: public names, cards of the
models, keys of recipes. They lie in a folder that git ignores."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from inspect import getdoc
from itertools import groupby
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from tybalt_like.models import Model
from tybalt_like.run.recipe_keys import RecipeKey, recipe_keys

ROOMS = {
    "ty": "tybalt_like",
    "ty.tl": "tybalt_like.tl",
    "ty.pp": "tybalt_like.pp",
    "ty.pl": "tybalt_like.pl",
    "ty.datasets": "tybalt_like.io.datasets",
    "ty.models": "tybalt_like.models",
    "io": "tybalt_like.io",
    "evaluation": "tybalt_like.evaluation",
    "interpretation": "tybalt_like.interpretation",
    "anomaly": "tybalt_like.anomaly",
}
"""Of which the public names have pages: as they are called there, and where they are."""
DOMAINS = {
    "real": "any values, standardised as a rule",
    "non-negative": "values of at least 0",
    "unit": "values between 0 and 1",
    "counts": "raw counts",
}
HEAD = "| key | holds | default | meaning |\n| --- | --- | --- | --- |\n"


def write(app: Sphinx, _: Config) -> None:
    keys = recipe_keys()
    pages = {f"models/{name}.md": card(name, kind, keys) for name, kind in Model.registry.items()}
    pages["recipe_keys.md"] = tables(keys)
    for called, module in ROOMS.items():
        pages[f"api/{module}.md"] = names_of(called, module)
    folder = Path(app.srcdir) / "reference" / "written"
    for old in folder.rglob("*.md"):
        if str(old.relative_to(folder)) not in pages:
            old.unlink()
    for name, text in pages.items():
        page = folder / name
        page.parent.mkdir(parents=True, exist_ok=True)
        if not page.is_file() or page.read_text(encoding="utf-8") != text:  # else it is built again
            page.write_text(text, encoding="utf-8")


def names_of(called: str, module: str) -> str:
    """The page of a module: a table of its public names, and what their docstrings say."""
    room = import_module(module)
    found = {name: getattr(room, name) for name in sorted(room.__all__)}
    found = {name: thing for name, thing in found.items() if not inspect.ismodule(thing)}
    lines = [getdoc(room), "", f".. currentmodule:: {module}", "", ".. autosummary::", ""]
    lines += [f"   {name}" for name in found]
    for name, thing in found.items():
        kind = "class" if inspect.isclass(thing) else "function" if callable(thing) else "data"
        lines += ["", f".. auto{kind}:: {name}", *["   :members:"] * (kind == "class")]
    return "\n".join([f"# `{called}`", "", "```{eval-rst}", *lines, "```", ""])


def card(name: str, kind: type[Model], keys: list[RecipeKey]) -> str:
    """The page of a model: what it is, when to use it, source, settings."""
    own = [key for key in keys if key.model == name]
    learns = "It is solved, and gives the same for the same data." if kind.deterministic else ""
    parts = [
        f"# `{name}`\n",
        f"In a recipe: `model.name = \"{name}\"`. Takes {DOMAINS[kind.domain]}. {learns}\n",
        "````{eval-rst}\n" + f"{getdoc(kind)}\n" + "````\n",
        f"**Cite.** {kind.citation}\n",
    ]
    if settings := [key for key in own if key.key.startswith("model.")]:
        parts.append("## Settings\n\n" + HEAD + "".join(map(row, settings)))
    if training := [key for key in own if key.key.startswith("training.")]:
        parts.append(
            "## Training\n\nDefaults that are this model's own; "
            "[the others](../../recipe.md#training).\n\n" + HEAD + "".join(map(row, training))
        )
    return "\n".join(parts)


def tables(keys: list[RecipeKey]) -> str:
    """All keys that do not belong to one model, a table of Markdown for each table of a recipe."""
    text = []
    for table, found in groupby((key for key in keys if not key.model), key=table_of):
        text.append(f"## `[{table}]`\n" if table else "## At the top\n")
        text.append(HEAD + "".join(map(row, found)))
    return "\n".join(text)


def table_of(key: RecipeKey) -> str:
    return key.key.rpartition(".")[0]


def row(key: RecipeKey) -> str:
    cells = f"`{key.key}`", key.type, f"`{key.default}`", as_markdown(key.meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def as_markdown(text: str) -> str:
    """One paragraph of reStructuredText."""
    return re.sub(r"``", "`", text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", write)  # before the source folder is looked through
    return {"parallel_read_safe": True, "parallel_write_safe": True}
