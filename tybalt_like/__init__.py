"""Encode transcriptomes, find the anomalous samples, understand why, and report it.

The public names load on first use, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tybalt_like import anomaly, evaluation, io, models, pl, pp, tl
    from tybalt_like.estimator import ExpressionEncoder
    from tybalt_like.io import datasets, read
    from tybalt_like.run.folder import Run
    from tybalt_like.run.recipe import Recipe

_ROOMS = ("anomaly", "datasets", "evaluation", "io", "models", "pl", "pp", "tl")
_NAMES = {
    "ExpressionEncoder": "tybalt_like.estimator",
    "Recipe": "tybalt_like.run.recipe",
    "Run": "tybalt_like.run.folder",
    "read": "tybalt_like.io",
}

__all__ = [
    "ExpressionEncoder",
    "Recipe",
    "Run",
    "anomaly",
    "datasets",
    "evaluation",
    "io",
    "models",
    "pl",
    "pp",
    "read",
    "tl",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"tybalt_like.{name}")
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'tybalt_like' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
