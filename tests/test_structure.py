"""The house itself is tested: imports go downward, signatures have one style."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import tybalt_like

PACKAGE = Path(tybalt_like.__file__).parent
# From the roof to the cellar: a room may import from those below it and from itself.
FLOORS = [
    {"__main__"},
    {"cli"},
    {"benchmark", "compression", "summary", "sweep"},
    {"run", "normalize", "aberrant", "perturbation"},
    {"results", "report"},
    {"cohort"},
    {"folder", "recipe", "estimator"},
    {"progress"},
    {"tl", "pl"},
    {"anomaly", "enrichment", "evaluation", "pp", "datasets"},
    {"io", "genes"},
    {"training"},
    {"models"},
    {"settings", "provenance", "keys", "errors", "distributed", "toml"},
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
# Beside each other on one floor, where one direction is meant.
SAME_FLOOR = {
    ("provenance", "keys"),
    ("settings", "errors"),
    ("toml", "errors"),
    ("folder", "recipe"),
}
SAME_FLOOR |= {("datasets", "pp"), ("io", "genes")}


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "tybalt_like" and len(parts) > 1 else None


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            rooms |= {room_of(name) for name in names}
        elif isinstance(node, ast.Import):
            rooms |= {room_of(alias.name) for alias in node.names}
    return {room for room in rooms if room in LEVEL}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_go_downward(path: Path) -> None:
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if room == "__init__":
        return
    assert room in LEVEL, f"{room} is not in the plan of the house"
    for other in imported_rooms(path) - {room}:
        below = LEVEL[other] > LEVEL[room]
        assert below or (room, other) in SAME_FLOOR, f"{room} must not import {other}"


@pytest.mark.parametrize("room", ["tl", "pl", "pp", "io", "anomaly", "evaluation", "datasets"])
def test_public_functions_have_one_style(room: str) -> None:
    module = getattr(tybalt_like, room)
    for name in module.__all__:
        thing = getattr(module, name)
        if not inspect.isfunction(thing):
            continue
        assert thing.__doc__, f"{room}.{name} has no docstring"
        parameters = list(inspect.signature(thing).parameters.values())
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert len(positional) <= 3, f"{room}.{name} takes {len(positional)} positional parameters"
        if "adata" in [p.name for p in parameters]:
            assert parameters[0].name == "adata", f"{room}.{name}: adata comes first"


def test_import_and_help_stay_light() -> None:
    heavy = "torch", "pandas", "anndata", "sklearn", "matplotlib", "scipy", "numpy"
    code = (
        "import sys, tybalt_like, tybalt_like.cli; "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
