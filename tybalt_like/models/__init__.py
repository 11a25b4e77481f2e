"""Models, one file each: a file put here is registered under the name its class declares."""

from importlib import import_module
from pkgutil import iter_modules

from tybalt_like.models.base import Batch, Model, Step, Training

__all__ = ["Batch", "Model", "Step", "Training"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
