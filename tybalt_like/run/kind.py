"""Kinds of recipes: what `run` does with the tables of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from tybalt_like.core.discovery import load_from_rooms
from tybalt_like.core.distributed import is_main
from tybalt_like.run.progress import Progress
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.stages import run
from tybalt_like.run.terminal import print_summary


@dataclass(frozen=True)
class Options:
    """How a recipe is carried out, whatever its kind; see `run.stages.run`."""

    device: str = "auto"
    resume: bool = False
    overwrite: bool = False
    inputs: tuple[Path, ...] = ()
    progress: Progress | None = None
    as_json: bool = False
    verbose: bool = False

    def how(self) -> dict[str, Any]:
        """All but how results are printed."""
        printed = {"as_json", "verbose"}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in printed}


class RecipeKind(ABC):
    """What is done with a recipe that has a certain table, in the module ``kind`` of a room.

    Attributes
    ----------
    table
        That table; empty for plain runs.
    folder
        Where results go if nobody says.
    """

    registry: ClassVar[dict[str, type[RecipeKind]]] = {}
    table: ClassVar[str]
    folder: ClassVar[str] = "reports/runs"

    def __init_subclass__(cls, *, table: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.table = table
        RecipeKind.registry[table] = cls

    @staticmethod
    def of(tables: Mapping[str, Any]) -> RecipeKind:
        """The kind of a recipe."""
        load_from_rooms("kind")
        known = RecipeKind.registry
        return known[next((table for table in known if table and table in tables), "")]()

    @abstractmethod
    def execute(self, tables: Mapping[str, Any], out: Path, options: Options) -> None:
        """Do all that the recipe says, write `out`, and print what was found.

        Raises
        ------
        TybaltLikeError
            One clear sentence about what is wrong with the input, the recipe or the folder.
        """


class PlainRun(RecipeKind, table=""):
    """A run over a cohort."""

    def execute(self, tables: Mapping[str, Any], out: Path, options: Options) -> None:
        run(Recipe.from_tables(tables), out, **options.how())
        if is_main():
            print_summary(out, as_json=options.as_json, verbose=options.verbose)
