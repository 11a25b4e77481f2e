"""What the folder of a finished run holds, as its page reads it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from tybalt_like.core.discovery import load_from_rooms
from tybalt_like.core.errors import RunError
from tybalt_like.core.marker import check_intact
from tybalt_like.core.stored import read_json, sound

ABOUT, PAGE = "run.json", "report.html"
SCHEMA = 5
"""Of the contents of a folder; raised when they change."""
PACKAGE = "tybalt-like"


def about_of(folder: Path) -> dict[str, Any]:
    """``run.json`` of a finished run.

    Raises
    ------
    RunError
        If it is missing or cannot be read, or another version wrote it.
    """
    path = folder / ABOUT
    if not path.is_file():
        raise RunError(f"{folder} is not a whole run: {ABOUT} missing; run it again")
    check_intact(folder, [ABOUT])
    about = read_json(path)
    with sound(path):
        schema, wrote = about["schema"], about["versions"].get(PACKAGE, "that wrote it")
    if schema != SCHEMA:
        raise RunError(
            f"{folder} has run schema {schema}, this version reads {SCHEMA}; install tybalt_like "
            f"{wrote}, or run it again"
        )
    return about


class Contents:
    """A folder, its ``run.json`` and its tables.

    A subclass stands for one kind of run, ``class Mine(Contents, kind="mine")``, in the
    ``sections`` of its room, and says what is special about it.

    Attributes
    ----------
    files
        Files that a reader may want to open, and what they hold.
    text
        Columns that are text, even "001", "1" or "NA".
    """

    registry: ClassVar[dict[str, type[Contents]]] = {}
    kind: ClassVar[str]
    files: ClassVar[Mapping[str, str]] = {}
    text: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, *, kind: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = kind
        Contents.registry[kind] = cls

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.folder, self.about = folder, about
        self._tables: dict[str, pd.DataFrame] = {}

    @staticmethod
    def read(folder: Path) -> Contents:
        """Open a folder.

        Raises
        ------
        RunError
            As `about_of`, or if the kind of run is not known.
        """
        load_from_rooms("sections")
        about = about_of(folder)
        if about.get("kind") not in Contents.registry:
            raise RunError(f"{folder} is a run of a kind that is not known: {about.get('kind')}")
        return Contents.registry[about["kind"]](folder, about)

    @property
    def kicker(self) -> str:
        """What kind of page this is, above its title."""
        return "report"

    @property
    def lead(self) -> str:
        """The first sentence."""
        return ""

    @cached_property
    def labels(self) -> pd.Series:
        """Text by sample that groups them; empty where nothing does."""
        return pd.Series(dtype=object)

    def beside(self) -> dict[str, str]:
        """Texts that are written beside the page, by name of the file."""
        return {}

    def text_columns(self) -> frozenset[str]:
        """Columns to be read as text."""
        return self.text

    def table(self, name: str, *, index: str | None = None) -> pd.DataFrame:
        """A table of the folder; empty if it has none of that name.

        Raises
        ------
        RunError
            If it cannot be read.
        """
        if name not in self._tables:
            self._tables[name] = self._read(name)
        table = self._tables[name]
        return table if index is None or table.empty else table.set_index(index)

    def needed(self, name: str, *, index: str | None = None) -> pd.DataFrame:
        """The same, of a table that every whole run has.

        Raises
        ------
        RunError
            If it is missing.
        """
        if not (self.folder / name).is_file():
            raise RunError(f"{self.folder} is not a whole run: {name} missing; run it again")
        return self.table(name, index=index)

    def _read(self, name: str) -> pd.DataFrame:
        path = self.folder / name
        check_intact(self.folder, [name])
        if not path.is_file():
            return pd.DataFrame()
        text = dict.fromkeys(self.text_columns(), str)
        sep = "," if name.endswith(".csv") else "\t"
        try:
            return pd.read_csv(path, sep=sep, dtype=text, keep_default_na=False, na_values=[""])
        except (pd.errors.ParserError, ValueError, EOFError, OSError, zlib.error) as error:
            raise RunError(f"{path} cannot be read ({error})") from None
