"""Where what comes with the package lies: small data, and recipes."""

from __future__ import annotations

from pathlib import Path


def _shipped(folder: str) -> Path:
    """Inside the installed package with an underscore before its name, or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / f"_{folder}"
    return installed if installed.is_dir() else package.parent / folder


DATA, PIPELINES = _shipped("data"), _shipped("pipelines")
REGISTRY = DATA / "registry"
"""A file for each named data set."""
