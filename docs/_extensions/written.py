"""Pages that are written from the package before the others are read: public names, commands,
cards of the models, keys of recipes, schemas. Git ignores their folder."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from importlib import import_module
from inspect import getdoc
from itertools import groupby
from pathlib import Path
from typing import Any

import typer
from sphinx.application import Sphinx
from sphinx.config import Config

from tybalt_like.cli import app as command_line
from tybalt_like.io import datasets
from tybalt_like.models import Model
from tybalt_like.report.schemas import NAMES, schema
from tybalt_like.run.recipe_keys import ABSENT, REQUIRED, RecipeKey, recipe_keys

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
BESIDE = {
    "tybalt_like": "run.seen.Assessed",
    "tybalt_like.tl": "tl.scorer.Scorer tl.features.Features tl.contrast.Contrast "
    "tl.move.Interpolation tl.synthesise.SyntheticReport",
    "tybalt_like.pp": "pp.columns.Choice pp.batches.BatchOffsets pp.transforms.base.Transform "
    "pp.transforms.base.GeneTransform pp.transforms.base.Scaler",
    "tybalt_like.io": "io.format.Format io.format.Noted io.source.Source genes.gene_sets.GeneSets",
    "tybalt_like.interpretation": "interpretation.changes.Change interpretation.fidelity.Labelled",
    "tybalt_like.anomaly": "anomaly.metrics.Area anomaly.metrics.Difference anomaly.view.Part "
    "anomaly.combination.Combination anomaly.null.Tail anomaly.view.Reference anomaly.view.Samples",
}
"""What these take and return, and what extends them."""
DOMAINS = {
    "real": "any values, standardised as a rule",
    "non-negative": "values of at least 0",
    "unit": "values between 0 and 1",
    "counts": "raw counts",
}


def write(app: Sphinx, _: Config) -> None:
    keys = recipe_keys()
    pages = {f"models/{name}.md": card(name, kind, keys) for name, kind in Model.registry.items()}
    pages["recipe_keys.md"] = tables(keys)
    pages["datasets.md"] = datasets_table()
    pages["schemas.md"] = "\n".join(map(schema_of, NAMES))
    whole = typer.main.get_command(command_line)
    pages["commands.md"] = "\n".join(commands(whole, "tybalt-like"))
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
    names = [name for name in sorted(room.__all__) if not inspect.ismodule(getattr(room, name))]
    lines = [getdoc(room) or "", "", f".. currentmodule:: {module}", "", ".. autosummary::"]
    lines += ["   :nosignatures:", ""]
    lines += [f"   {name}" for name in names]
    for name in names:
        lines += documented(getattr(room, name), f"{module}.{name}")
    if beside := BESIDE.get(module, "").split():
        lines += ["```", "", "## Beside these", "", "```{eval-rst}"]
        for name in beside:
            where, _, last = f"tybalt_like.{name}".rpartition(".")
            lines += documented(getattr(import_module(where), last), f"{where}.{last}")
    return "\n".join([f"# `{called}`", "", "```{eval-rst}", *lines, "```", ""])


def documented(thing: object, name: str) -> list[str]:
    """The directive of autodoc for it. Where a folder is depends on who builds the page."""
    kind = "class" if inspect.isclass(thing) else "function" if callable(thing) else "data"
    how = {"class": ["   :members:"], "data": ["   :no-value:"] * isinstance(thing, Path)}
    return ["", f".. auto{kind}:: {name}", *how.get(kind, [])]


def commands(command: Any, called: str) -> Iterator[str]:
    """Of every command what `--help` says, as Markdown."""
    if found := getattr(command, "commands", {}):
        for name, inner in found.items():
            yield from commands(inner, f"{called} {name}")
        return
    takes = [parameter for parameter in command.params if not parameter.hidden]
    named = [one.opts[0].upper() for one in takes if not one.opts[0].startswith("-")]
    yield f"## `{called}`\n\n```text\n{' '.join([called, *named, '[OPTIONS]'])}\n```\n"
    yield f"{escaped(command.help)}\n"
    usual = [one for one in takes if one.rich_help_panel is None]
    for one in usual:
        options = [opt for opt in one.opts if opt.startswith("-")] or [one.opts[0].upper()]
        needed = " · required" if one.required else ""
        yield ", ".join(f"`{opt}`" for opt in options) + f"{needed}\n: {escaped(one.help)}\n"
    if len(usual) < len(takes):
        yield "And [how to read the matrix](#how-to-read-the-matrix).\n"


def datasets_table() -> str:
    """The registry of data sets."""
    head = "| name | what | licence | source |\n| --- | --- | --- | --- |\n"
    rows = sorted(datasets.registry().items())
    return head + "".join(
        f"| `{name}` | {escaped(one.title)} | {escaped(one.licence)} | {escaped(one.citation)} |\n"
        for name, one in rows
    )


def schema_of(name: str) -> str:
    """What a schema is about, and itself, folded."""
    found = schema(name)
    return (
        f"## `{name}`\n\n**{escaped(found['title'])}.** {escaped(found['description'])}\n\n"
        f":::{{dropdown}} The schema\n```json\n{json.dumps(found, indent=1)}\n```\n:::\n"
    )


def card(name: str, kind: type[Model], keys: list[RecipeKey]) -> str:
    """The page of a model: what it is, when to use it, source, settings."""
    own = [key for key in keys if key.model == name]
    learns = "It is solved, and gives the same for the same data." if kind.deterministic else ""
    parts = [
        f"# `{name}`\n",
        f'In a recipe: `model.name = "{name}"`. Takes {DOMAINS[kind.domain]}. {learns}\n',
        "````{eval-rst}\n" + f"{getdoc(kind)}\n" + "````\n",
        f"**Cite.** {kind.citation}\n",
    ]
    if settings := [key for key in own if key.key.startswith("model.")]:
        parts.append("## Settings\n\n" + "".join(map(entry, settings)))
    if training := [key for key in own if key.key.startswith("training.")]:
        parts.append(
            "## Training\n\nDefaults that are this model's own; "
            "[the others](../../recipe.md#training).\n\n" + "".join(map(entry, training))
        )
    return "\n".join(parts)


def tables(keys: list[RecipeKey]) -> str:
    """All keys that do not belong to one model, table by table."""
    text = []
    for table, found in groupby((key for key in keys if not key.model), key=table_of):
        text.append(f"## `[{table}]`\n" if table else "## At the top\n")
        text.append("".join(map(entry, found)))
    return "\n".join(text)


def table_of(key: RecipeKey) -> str:
    return key.key.rpartition(".")[0]


def entry(key: RecipeKey) -> str:
    """A key as the term of a definition list."""
    default = {REQUIRED: "required", ABSENT: "unset"}.get(key.default, f"default `{key.default}`")
    holds = re.sub(r'("[^"]*")', r"`\1`", key.type)
    return f"`{key.key}` · {holds} · {default}\n: {as_markdown(key.meaning)}\n\n"


def escaped(text: str | None) -> str:
    """Plain text that Markdown leaves as it is."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text or "")


def as_markdown(text: str) -> str:
    """One paragraph of reStructuredText."""
    return re.sub(r"``", "`", text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", write)  # before the source folder is looked through
    return {"parallel_read_safe": True, "parallel_write_safe": True}
