"""The page that a run ends in."""

from tybalt_like.report.page import build

__all__ = ["build"]
