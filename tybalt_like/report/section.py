"""What a section of a page is."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

from tybalt_like.report.contents import Contents
from tybalt_like.report.figure import Figure

C = TypeVar("C", bound=Contents)
EVERY = ""
"""Kind of the sections that stand on every page."""


class Section(ABC, Generic[C]):
    """A part of the page: when it applies, its tables, its figures and its template.

    A subclass in the ``sections`` of any room is on the page of the runs of its `kind`,
    ``class Samples(Section[RunContents], name="samples", title="Samples", kind="run", place=30)``.

    Attributes
    ----------
    place
        Sections stand in its order.
    title, heading
        In the contents of the page, and above the section; the title if there is no heading.
    template
        Jinja; it sees ``run`` (the contents), ``figures``, ``words``, ``ui`` (macros) and what
        `content` returns.
    scripts
        What it runs: ``"bokeh"``, or files of the template folder.
    """

    registry: ClassVar[dict[tuple[str, str], type[Section[Any]]]] = {}
    name: ClassVar[str]
    title: ClassVar[str]
    heading: ClassVar[str] = ""
    kind: ClassVar[str]
    place: ClassVar[int]
    template: ClassVar[str]
    scripts: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(
        cls, *, name: str, title: str, place: int, kind: str = EVERY, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.name, cls.title, cls.kind, cls.place = name, title, kind, place
        Section.registry[kind, name] = cls

    def content(self, run: C) -> dict[str, Any] | None:
        """What the template needs beside the run; None if the section does not apply."""
        return {}

    def figures(self, run: C) -> Iterator[Figure]:
        """The figures that the run has the data for."""
        yield from ()

    def citations(self, run: C) -> list[str]:
        """What to cite for what the section shows."""
        return []
