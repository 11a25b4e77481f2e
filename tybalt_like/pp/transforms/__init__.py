"""Transforms, one file each: a file put here that declares one is known to the settings and to
saved normalisers."""

from tybalt_like.core import discovery as _discovery

_discovery.load_modules(__name__, __path__)
