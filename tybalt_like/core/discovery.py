"""Files that count by being there: the modules of a folder, or one name in every room."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType


def load_modules(package: str, path: Iterable[str]) -> list[ModuleType]:
    """Import every module of a package, in alphabetical order."""
    return [import_module(f"{package}.{module.name}") for module in iter_modules(path)]


def load_from_rooms(name: str) -> list[ModuleType]:
    """Import the module or package of that name from every room that has one."""
    rooms = sorted(Path(__file__).parents[1].iterdir())
    found = [r for r in rooms if (r / f"{name}.py").is_file() or (r / name).is_dir()]
    return [import_module(f"tybalt_like.{room.name}.{name}") for room in found]
