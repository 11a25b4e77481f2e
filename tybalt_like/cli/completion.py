"""What the shell offers when Tab is pressed. Names of files say it all: nothing else is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from glob import escape
from pathlib import Path

from tybalt_like.core.shipped import PIPELINES, REGISTRY

_MODELS = Path(__file__).parents[1] / "models"
_NO_MODELS = {"__init__", "base", "history"}


def models(incomplete: str) -> list[str]:
    """Models, each of which is a file of its name."""
    found = {path.stem for path in _MODELS.glob("*.py")} - _NO_MODELS
    return sorted(name for name in found if name.startswith(incomplete))


def datasets(incomplete: str) -> list[str]:
    """Named data sets."""
    return sorted(path.stem for path in REGISTRY.glob("*.toml") if path.stem.startswith(incomplete))


def recipes(incomplete: str) -> list[str]:
    """Recipes that are shipped, and those that lie where the word leads."""
    known = [path.stem for path in PIPELINES.glob("*.toml") if path.stem.startswith(incomplete)]
    return sorted(known) + sorted(_files(f"{escape(incomplete)}*.toml"))


def runs(incomplete: str) -> list[str]:
    """Finished runs where the word leads, and where runs lie if nobody says."""
    places = [f"{escape(incomplete)}*/run.json", "reports/*/*/run.json"]
    found = {str(Path(path).parent) for place in places for path in _files(place)}
    return sorted(path for path in found if path.startswith(incomplete))


def _files(pattern: str) -> Iterator[str]:
    root = Path(Path(pattern).anchor)
    return map(str, root.glob(str(Path(pattern).relative_to(root)) if root.anchor else pattern))
