"""Normalisation: fitted on the training split, saved, and applied to new samples one by one."""

from tybalt_like.pp.findings import Findings, check, inspect
from tybalt_like.pp.normaliser import Normaliser
from tybalt_like.pp.settings import Normalisation
from tybalt_like.pp.split import MIN_REFERENCE, split

__all__ = ["MIN_REFERENCE", "Findings", "Normalisation", "Normaliser", "check", "inspect", "split"]
