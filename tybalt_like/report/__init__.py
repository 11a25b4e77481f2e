"""The page that a run ends in."""

from tybalt_like.report.contents import ABOUT, PACKAGE, PAGE, SCHEMA, Contents, about_of
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.page import build, linked
from tybalt_like.report.section import EVERY, Section

__all__ = [
    "ABOUT",
    "EVERY",
    "PACKAGE",
    "PAGE",
    "SCHEMA",
    "Contents",
    "Figure",
    "Section",
    "about_of",
    "build",
    "drawing_of",
    "linked",
]
