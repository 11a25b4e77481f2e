"""Encode transcriptomes, find the anomalous samples, understand why, and report it.

The public names load on first use, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from tybalt_like import models, pl, pp, tl
    from tybalt_like.estimator import ExpressionEncoder
    from tybalt_like.io import datasets, read
    from tybalt_like.run.folder import Run
    from tybalt_like.run.recipe import Recipe

_WHERE = {
    "ExpressionEncoder": "tybalt_like.estimator",
    "Recipe": "tybalt_like.run.recipe",
    "Run": "tybalt_like.run.folder",
    "read": "tybalt_like.io",
}
_ROOMS = {name: f"tybalt_like.{name}" for name in ("models", "pl", "pp", "tl")}
_ROOMS["datasets"] = "tybalt_like.io.datasets"

__all__ = ["ExpressionEncoder", "Recipe", "Run", "datasets", "models", "pl", "pp", "read", "tl"]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(_ROOMS[name])
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'tybalt_like' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
