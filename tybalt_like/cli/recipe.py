"""``tybalt-like recipe``: the keys of recipes, and a new one for a matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tybalt_like.cli.options import Obs, check_out, files_in, reads
from tybalt_like.core.errors import RecipeError

if TYPE_CHECKING:
    from tybalt_like.run.recipe_keys import RecipeKey


@reads
def recipe(
    reading: Mapping[str, Any],
    key: Annotated[
        str | None,
        typer.Argument(metavar="KEY", help="With --explain: a key, a table, or how they begin."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Every key: type, default, meaning.")
    ] = False,
    new: Annotated[
        Path | None, typer.Option("--new", help="Matrix to write a commented recipe for.")
    ] = None,
    obs: Obs = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="TOML file to write; standard output if not given."),
    ] = None,
) -> None:
    """Explain the keys of recipes, or write a commented recipe that fits a matrix.

    `--explain training` explains a table, `--explain training.epochs` a key. What `--new` writes,
    `run` carries out as it is.
    """
    if explain == (new is not None) or (new is None and (obs or out or reading)):
        raise RecipeError(
            "give either --explain, perhaps with a KEY, or --new with a matrix, perhaps with --obs "
            "and --out"
        )
    if new is not None:
        _write(new, obs, out, reading)
        return
    from tybalt_like.run.recipe_keys import recipe_keys

    known = recipe_keys()
    chosen = [one for one in known if one.key.startswith(key or "")]
    if not chosen:
        tables = ", ".join(dict.fromkeys(one.key.split(".")[0] for one in known))
        raise RecipeError(f"no key of a recipe begins with {key!r}; tables and keys: {tables}")
    print("\n".join(_explained(chosen)))


def _write(matrix: Path, obs: Path | None, out: Path | None, reading: Mapping[str, Any]) -> None:
    from tybalt_like.core.files import write_text
    from tybalt_like.run.new_recipe import new_recipe

    inputs = [path for path in (matrix, obs) if path is not None] + files_in(reading)
    check_out(out, *inputs)
    folder = Path() if out is None else out.parent
    text = new_recipe(matrix, obs=obs, reading=reading, folder=folder)
    if out is None:
        print(text, end="")
    else:
        write_text(out, text)
        print(out)


def _explained(keys: list[RecipeKey]) -> Iterator[str]:
    """A key, its type and default; then what it means. What several models share is said once."""
    import shutil
    import textwrap

    width = min(100, shutil.get_terminal_size().columns)
    models: dict[tuple[str, str, str, str], list[str]] = {}
    for one in keys:
        models.setdefault((one.key, one.type, one.default, one.meaning), []).append(one.model)
    explained = set[tuple[str, str]]()
    for (name, kind, default, meaning), of in models.items():
        where = f" ({', '.join(of)})" if any(of) else ""
        yield from textwrap.wrap(f"{name}{where}: {kind}; default {default}", width)
        if (name, meaning) not in explained:
            yield textwrap.fill(meaning, width, initial_indent="    ", subsequent_indent="    ")
        explained.add((name, meaning))
