"""JSON Schemas (draft 2020-12) of what programs read: a file each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tybalt_like.core.errors import RecipeError

_FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))
"""``marker``: ``.tybalt_like.json``; ``run``: ``run.json``; ``summary``: what ``--json`` prints."""


def schema(name: str) -> dict[str, Any]:
    """The schema of that name.

    Raises
    ------
    RecipeError
        If there is none.
    """
    if name not in NAMES:
        raise RecipeError(f"no schema {name!r}; there are: {', '.join(NAMES)}")
    found: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found
