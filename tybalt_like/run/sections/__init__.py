"""What the page of a run does by itself, one section a file."""

from tybalt_like.core import discovery as _discovery

_discovery.load_modules(__name__, __path__)
