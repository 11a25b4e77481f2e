"""Which spaces are compared: the recipe's table ``[compression]``, checked before any training."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import checked
from tybalt_like.run.recipe import Recipe

DETERMINISTIC = frozenset({"pca"})
"""Models that a seed does not change; one training of each size is enough."""


@dataclass(frozen=True)
class Compression:
    """Settings of a comparison of latent spaces.

    Parameters
    ----------
    models
        One table per curve, under the name of the curve: ``name`` of the model (that of the curve
        if left out), its settings, a table ``training``, and ``permuted = true`` for a control
        that is trained on genes permuted one by one.
    k
        Numbers of latent features.
    seeds
        Trainings of every model and size, with seeds from 0; the split is always the same.
    labels
        Sample columns to predict from the encodings.
    genesets
        GMT file with gene sets; without it their coverage is not measured.
    """

    models: Mapping[str, Mapping[str, Any]]
    k: tuple[int, ...]
    seeds: int = 5
    labels: tuple[str, ...] = ()
    genesets: str | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise RecipeError("compression.models is empty; add a table [compression.models.pca]")
        if not self.k or min(self.k) < 1 or len(set(self.k)) < len(self.k):
            raise RecipeError("compression.k must list different numbers of at least 1")
        if self.seeds < 1:
            raise RecipeError("compression.seeds must be at least 1")
        for name, model in self.models.items():
            if "latent_dim" in model:
                raise RecipeError(f"compression.models.{name}: latent_dim comes from compression.k")
            if not re.fullmatch(r"[\w-]+", name):
                raise RecipeError(
                    f"compression.models: {name!r} names files; use letters, digits, _ and -"
                )


@dataclass(frozen=True)
class Cell:
    """One training."""

    model: str
    k: int
    seed: int

    @classmethod
    def of(cls, text: str) -> Self:
        """From ``model,k,seed``.

        Raises
        ------
        RecipeError
            If it is not that.
        """
        found = re.fullmatch(r"([\w-]+),(\d+),(\d+)", text)
        if found is None:
            raise RecipeError(f"--cell {text!r}: write model,k,seed, for example pca,20,0")
        return cls(found[1], int(found[2]), int(found[3]))

    def __str__(self) -> str:
        return f"{self.model},{self.k},{self.seed}"

    @property
    def file(self) -> str:
        return f"{self.model}_k{self.k}_seed{self.seed}.npz"


@dataclass(frozen=True)
class Plan:
    """A comparison over one cohort."""

    tables: Mapping[str, Any]
    compression: Compression

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Self:
        """Check the recipe and every model of it.

        Raises
        ------
        RecipeError
            Names the key or value that does not fit.
        """
        base = {key: table for key, table in tables.items() if key != "compression"}
        if not isinstance(tables.get("compression"), Mapping):
            raise RecipeError("a comparison over k needs the table [compression]")
        if "model" in base:
            raise RecipeError("name models in [compression.models.NAME], not in [model]")
        plan = cls(base, checked(Compression, tables["compression"], where="compression"))
        for name in plan.compression.models:
            try:
                plan.recipe(Cell(name, plan.compression.k[0], 0))
            except RecipeError as error:
                raise RecipeError(f"compression.models.{name}: {error}") from None
        return plan

    @property
    def name(self) -> str:
        return str(self.tables["name"])

    def cells(self) -> Iterator[Cell]:
        """All trainings; small spaces first."""
        for k in sorted(self.compression.k):
            for name in self.compression.models:
                depends = self.permuted(name) or self._model(name)["name"] not in DETERMINISTIC
                for seed in range(self.compression.seeds if depends else 1):
                    yield Cell(name, k, seed)

    def cell(self, text: str) -> Cell:
        """The cell of that name.

        Raises
        ------
        RecipeError
            If it is not in the plan.
        """
        cell = Cell.of(text)
        if cell not in set(self.cells()):
            raise RecipeError(f"--cell {text}: not in this recipe; --list shows those that are")
        return cell

    def recipe(self, cell: Cell) -> Recipe:
        """What is trained; the cell's seed feeds the training only."""
        model = self._model(cell.model)
        training = self.tables.get("training", {}) | model.pop("training", {})
        model = {"latent_dim": cell.k} | model
        return Recipe.from_tables({**self.tables, "model": model, "training": training})

    def permuted(self, model: str) -> bool:
        """Whether it is a control, trained on genes that were permuted one by one."""
        return bool(self.compression.models[model].get("permuted", False))

    def identity(self, cell: Cell) -> str:
        """Fingerprint of everything the cell depends on."""
        tables = self.recipe(cell).to_tables()
        tables.pop("name")
        for key in ("path", "obs"):
            if tables["data"][key] is not None:
                tables["data"][key] = str(Path(tables["data"][key]).resolve())
        about = [tables, cell.seed, self.permuted(cell.model), self.compression.labels]
        about.append(_digest(self.compression.genesets))
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def _model(self, name: str) -> dict[str, Any]:
        model = {"name": name} | dict(self.compression.models[name])
        model.pop("permuted", None)
        return model


def beside(recipe: Path, tables: dict[str, Any]) -> dict[str, Any]:
    """The tables of that file, the path of gene sets in them made relative to it."""
    table = tables.get("compression", {})
    if isinstance(table, dict) and isinstance(table.get("genesets"), str):
        table["genesets"] = str(recipe.parent / table["genesets"])
    return tables


@cache
def _digest(path: str | None) -> str | None:
    if path is None:
        return None
    file = Path(path)
    if not file.is_file():
        raise RecipeError(f"compression.genesets: no file {path}")
    return hashlib.sha256(file.read_bytes()).hexdigest()
