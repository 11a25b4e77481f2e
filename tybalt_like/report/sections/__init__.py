"""The sections of the page of a run, one file each: a file put here is on the page."""

from tybalt_like.core import discovery as _discovery
from tybalt_like.report.run_contents import RunContents as _RunContents  # noqa: F401

_discovery.load_modules(__name__, __path__)
