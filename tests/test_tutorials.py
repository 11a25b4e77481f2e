"""Tutorials are executed by `make docs`; here: they are whole, listed, and use what there is."""

import ast
import re
from pathlib import Path

import pytest
import typer

import tybalt_like as ty
from tybalt_like.cli import app

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
INDEX = FOLDER / "index.md"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page != INDEX)
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def cells(page: Path) -> tuple[list[str], list[str]]:
    """Python and shell."""
    found = CELL.findall(page.read_text(encoding="utf-8"))
    shell = [cell for cell in found if cell.startswith("%%bash\n")]
    return [cell for cell in found if cell not in shell], shell


def public_name(node: ast.Attribute) -> str:
    """`tl.fit` of `ty.tl.fit`; empty of what does not begin with the package."""
    names = [node.attr]
    inner = node.value
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    return ".".join(reversed(names)) if isinstance(inner, ast.Name) and inner.id == "ty" else ""


def check_public(name: str) -> None:
    """Every part of it is among the names that the one before offers, or of a public class."""
    thing: object = ty
    for part in name.split("."):
        assert hasattr(thing, part), f"ty.{name} does not exist"
        offered = getattr(thing, "__all__", None)
        assert offered is None or part in offered, f"ty.{name} is not public"
        thing = getattr(thing, part)


def test_every_tutorial_is_in_the_index() -> None:
    listed = re.findall(r"^[a-z_]+$", INDEX.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == [page.stem for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_is_a_notebook_that_uses_public_names(page: Path) -> None:
    head = page.read_text(encoding="utf-8").split("---\n")[1]
    assert "format_name: myst" in head
    assert "name: python3" in head
    python, shell = cells(page)
    assert python
    commands = typer.main.get_command(app).commands
    for verb in re.findall(r"^\s*tybalt-like (\w+)", "".join(shell), re.MULTILINE):
        assert verb in commands, f"there is no command {verb}"
    for node in ast.walk(ast.parse("\n".join(python))):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("tybalt_like"), "only `import tybalt_like`"
        if isinstance(node, ast.Attribute) and (name := public_name(node)):
            check_public(name)
