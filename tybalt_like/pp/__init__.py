"""Normalisation: fitted on the training split, saved, and applied to new samples one by one."""

from tybalt_like.pp.batch_effects import BatchPurity, batch_purity, combat
from tybalt_like.pp.findings import Findings, check, inspect
from tybalt_like.pp.normaliser import Normaliser
from tybalt_like.pp.out_of_core import open_backed
from tybalt_like.pp.quality import quality
from tybalt_like.pp.settings import Normalisation
from tybalt_like.pp.split import folds, split

__all__ = [
    "BatchPurity",
    "Findings",
    "Normalisation",
    "Normaliser",
    "batch_purity",
    "check",
    "combat",
    "folds",
    "inspect",
    "open_backed",
    "quality",
    "split",
]


def __dir__() -> list[str]:
    return __all__
