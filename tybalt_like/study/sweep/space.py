"""What a sweep tries: the recipe's table ``[sweep]``, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Literal, Self

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import checked, pinned, table
from tybalt_like.core.toml import own_table, with_values
from tybalt_like.run.recipe import Recipe
from tybalt_like.study.store import fingerprint

Value = str | int | float | bool
TABLE = "sweep"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; drawn on a logarithmic scale if `log`."""

    low: float
    high: float
    log: bool = False
    type: Literal["float", "int"] = "float"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise RecipeError(f"low is {self.low} and high {self.high}; low must be the smaller")
        if self.log and self.low <= 0:
            raise RecipeError(f"low is {self.low}; with log it must be above 0")
        if self.type == "int" and not (self.low == int(self.low) and self.high == int(self.high)):
            raise RecipeError("with type 'int', low and high must be whole numbers")


@table(TABLE)
@dataclass(frozen=True)
class Sweep:
    """Settings of a sweep.

    Parameters
    ----------
    space
        Dotted keys of the recipe (``training.learning_rate``), each with a list of values or with a
        table of ``low`` and ``high``, and if wanted ``log = true`` and ``type = "int"``.
    objective
        Column of the training history to minimise, at the epoch whose weights are kept.
    sampler
        ``"grid"`` tries every combination of the lists once; ``"random"`` draws; ``"tpe"``
        (Bergstra et al., NeurIPS 2011) draws near what went well.
    trials
        Number of draws of the last two.
    storage
        Journal file in the folder of the sweep, or the URL of a database.
    """

    space: Mapping[str, Any]
    objective: str = "val_loss"
    sampler: Literal["grid", "tpe", "random"] = "grid"
    trials: int | None = None
    storage: str = "study.journal"

    def __post_init__(self) -> None:
        if self.sampler == "grid" and self.trials is not None:
            raise RecipeError("sweep.trials is for the samplers tpe and random; a grid has its own")
        if self.sampler != "grid" and (self.trials is None or self.trials < 1):
            raise RecipeError(f"sweep.trials must be at least 1 with the sampler {self.sampler}")


@dataclass(frozen=True)
class Plan:
    """A sweep over a recipe: numbered points, of which each is tried once.

    Attributes
    ----------
    tables
        The recipe without its table ``[sweep]``.
    space
        Values of every setting that varies.
    """

    tables: Mapping[str, Any]
    sweep: Sweep
    space: Mapping[str, tuple[Value, ...] | Range]

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Self:
        """Check the recipe, the settings of the sweep and every value it would try.

        Raises
        ------
        RecipeError
            Names the key or value that does not fit.
        """
        base, own = own_table(
            tables, TABLE, needs="a sweep needs the tables [sweep] and [sweep.space]"
        )
        sweep = checked(Sweep, own, where=TABLE)
        Recipe.from_tables(base)
        space = {key: _choices(key, given) for key, given in _flat(sweep.space).items()}
        if not space:
            raise RecipeError("sweep.space is empty; name at least one setting to vary")
        for key, choices in space.items():
            if isinstance(choices, Range) and sweep.sampler == "grid":
                raise RecipeError(f"sweep.space: {key} must be a list, or the sampler not a grid")
            for value in _ends(choices):
                try:
                    Recipe.from_tables(with_values(base, {key: value}))
                except RecipeError as error:
                    raise RecipeError(f"sweep.space: {error}") from None
        return cls(base, sweep, space)

    @property
    def name(self) -> str:
        return str(self.tables["name"])

    @property
    def seed(self) -> int:
        return int(self.tables.get("seed", 0))

    @property
    def n_points(self) -> int:
        """How many points there are."""
        if self.sweep.trials is not None:
            return self.sweep.trials
        return prod(len(choices) for choices in self.space.values() if isinstance(choices, tuple))

    def inputs(self) -> list[Path]:
        """Files that are read."""
        return Recipe.from_tables(self.tables).inputs()

    def grid(self) -> list[dict[str, Value]]:
        """All points of a grid; the setting named last varies fastest."""
        lists = [choices for choices in self.space.values() if isinstance(choices, tuple)]
        return [dict(zip(self.space, values, strict=True)) for values in product(*lists)]

    def identity(self) -> str:
        """Fingerprint of what has to be the same for two processes to share a study: all but the
        number of draws, which may grow."""
        sweep = {key: item for key, item in asdict(self.sweep).items() if key != "trials"}
        return fingerprint(pinned(self.tables) | {TABLE: sweep})

    def tables_at(self, point: Mapping[str, Value]) -> dict[str, Any]:
        """The recipe's tables with the settings of a point."""
        return with_values(self.tables, point)


def _flat(space: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys, whether they were quoted or TOML made nested tables of them."""
    flat: dict[str, Any] = {}
    for key, given in space.items():
        if isinstance(given, Mapping) and "low" not in given and "high" not in given:
            flat |= _flat(given, f"{prefix}{key}.")
        else:
            flat[prefix + key] = given
    return flat


def _choices(key: str, given: Any) -> tuple[Value, ...] | Range:
    where = f"sweep.space.{key}"
    if isinstance(given, Mapping):
        try:
            return checked(Range, given, where=where)
        except RecipeError as error:
            text = str(error)
            raise RecipeError(text if where in text else f"{where}: {text}") from None
    if not isinstance(given, list) or not given:
        raise RecipeError(
            f"{where} must be a list of values or a table such as {{ low = 1e-4, high = 1e-2 }}"
        )
    if not all(isinstance(value, Value) for value in given):
        raise RecipeError(f"{where} may hold texts, numbers and truth values only")
    if len(set(map(repr, given))) < len(given):
        raise RecipeError(f"{where} holds a value twice")
    return tuple(given)


def _ends(choices: tuple[Value, ...] | Range) -> tuple[Value, ...]:
    """What stands for all values when they are checked."""
    if isinstance(choices, tuple):
        return choices
    kind = int if choices.type == "int" else float
    return kind(choices.low), kind(choices.high)
