"""Models, one file each: a file put here is registered under the name its class declares."""

from tybalt_like.core import discovery as _discovery
from tybalt_like.models.base import Batch, Model, ModelSettings, Step, Training

__all__ = ["Batch", "Model", "ModelSettings", "Step", "Training"]

_discovery.load_modules(__name__, __path__)


def __dir__() -> list[str]:
    return __all__
