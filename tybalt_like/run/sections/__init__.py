"""The sections of the pages of this room, one file each."""

from tybalt_like.core import discovery as _discovery

_discovery.load_modules(__name__, __path__)
