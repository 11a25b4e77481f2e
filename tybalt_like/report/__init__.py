"""The page that a run ends in."""

from tybalt_like.report.contents import ABOUT, PAGE, Contents
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.page import build
from tybalt_like.report.section import EVERY, Section

__all__ = ["ABOUT", "EVERY", "PAGE", "Contents", "Figure", "Section", "build", "drawing_of"]
