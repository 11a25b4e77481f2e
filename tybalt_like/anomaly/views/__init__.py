"""The views, one file each: a file put here is registered under the name its class declares."""

from tybalt_like.core import discovery as _discovery

_discovery.load_modules(__name__, __path__)
