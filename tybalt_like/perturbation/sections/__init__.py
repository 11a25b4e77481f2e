"""The sections of the page of a run over treated samples, one file each."""

from tybalt_like.core import discovery as _discovery
from tybalt_like.perturbation.contents import PairedContents as _PairedContents  # noqa: F401

_discovery.load_modules(__name__, __path__)
