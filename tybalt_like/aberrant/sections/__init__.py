"""The sections of the page of aberrant counts, one file each."""

from tybalt_like.aberrant.contents import AberrantContents as _AberrantContents  # noqa: F401
from tybalt_like.core import discovery as _discovery

_discovery.load_modules(__name__, __path__)
