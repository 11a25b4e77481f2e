"""A recipe with a table ``[perturbation]``, checked before anything is read or trained."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import checked
from tybalt_like.models import Model
from tybalt_like.models.networks.paired import Paired
from tybalt_like.perturbation.design import Design, Simulation
from tybalt_like.pp import Normalisation
from tybalt_like.run.recipe import Data, Trained

TABLE = "perturbation"
KEYS = ("name", "seed", "data", "simulation", TABLE, "normalize", "model", "training")


@dataclass(frozen=True)
class Cell:
    """One training: a drug, the fold that is held out (None: nothing), and a seed."""

    drug: str
    fold: int | None
    seed: int

    @property
    def name(self) -> str:
        """Names its file; drugs whose names do not suit a file are told apart by a checksum."""
        drug = re.sub(r"[^\w-]+", "_", self.drug)
        if drug != self.drug:
            drug += "-" + hashlib.sha256(self.drug.encode()).hexdigest()[:6]
        fold = "all" if self.fold is None else f"fold{self.fold}"
        return f"{drug}_{fold}_seed{self.seed}"


@dataclass(frozen=True)
class Plan(Trained):
    """Everything that a run depends on, like `tybalt_like.recipe.Recipe` for other models."""

    name: str
    seed: int
    data: Data | None
    simulation: Simulation | None
    design: Design
    normalize: Normalisation
    model: Mapping[str, Any]
    training: Mapping[str, Any]

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Self:
        """Build from nested plain values.

        Raises
        ------
        RecipeError
            Names the unknown key or the value that does not fit.
        """
        for key in tables:
            if key not in KEYS:
                raise RecipeError(
                    f"unknown key {key}; a recipe with [{TABLE}] knows {', '.join(KEYS)}"
                )
        if ("data" in tables) == ("simulation" in tables):
            raise RecipeError("give either [data] or [simulation]")
        simulation = tables.get("simulation")
        plan = cls(
            name=str(tables.get("name", TABLE)),
            seed=int(tables.get("seed", 0)),
            data=_table(Data, tables, "data") if simulation is None else None,
            simulation=None if simulation is None else _table(Simulation, tables, "simulation"),
            design=_table(Design, tables, TABLE),
            normalize=checked(
                Normalisation,
                {"scale": "zscore"} | dict(tables.get("normalize", {})),
                where="normalize",
            ),
            model={"name": "dr_vae"} | dict(tables.get("model", {})),
            training=dict(tables.get("training", {})),
        )
        plan._check()
        return plan

    def _check(self) -> None:
        kind = Model.named(self.model_name)
        if not issubclass(kind, Paired):
            known = sorted(name for name, k in Model.registry.items() if issubclass(k, Paired))
            raise RecipeError(
                f"model.name = {self.model_name!r} knows no treatment; [{TABLE}] takes "
                f"{', '.join(known)}"
            )
        kind.configure(**self.model_config)
        self.training_settings  # noqa: B018 - checks the table
        if self.has_response and self.design.response is None:
            raise RecipeError(
                f"{self.model_name} needs perturbation.response, the column with the responses"
            )

    @property
    def has_response(self) -> bool:
        """Whether the model predicts a response."""
        return "y_n" in Model.named(self.model_name).takes

    @property
    def has_pairs(self) -> bool:
        """Whether the model predicts treated profiles."""
        return "x2_ng" in Model.named(self.model_name).takes

    @property
    def is_binary(self) -> bool:
        """Whether responses are classes."""
        return bool(self.model_config.get("response", "binary") == "binary")

    def cells(self, drugs: Sequence[str], n_folds: int) -> Iterator[Cell]:
        """All trainings; for the report, each drug also gets a model that nothing is held from."""
        for drug in drugs:
            yield Cell(drug, None, self.seed)
            for seed in range(self.seed, self.seed + self.design.seeds):
                for fold in range(n_folds):
                    yield Cell(drug, fold, seed)

    def inputs(self) -> list[Path]:
        """Files and folders that are read."""
        named = [self.design.responses]
        named += [self.data.path, self.data.obs] if self.data else []
        return [Path(path) for path in named if path is not None]

    def to_tables(self) -> dict[str, Any]:
        """Nested plain values; `from_tables` reads them back."""
        tables = {
            "name": self.name,
            "seed": self.seed,
            "data": self.data and asdict(self.data),
            "simulation": self.simulation and asdict(self.simulation),
            TABLE: asdict(self.design),
            "normalize": asdict(self.normalize),
            "model": dict(self.model),
            "training": dict(self.training),
        }
        kept = {key: table for key, table in tables.items() if table is not None}
        plain: dict[str, Any] = json.loads(json.dumps(kept))
        return plain

    def identity(self, cell: Cell) -> str:
        """Fingerprint of everything that the cell depends on."""
        tables = self.to_tables()
        for key in ("name", "seed"):
            del tables[key]
        for key in ("drugs", "seeds"):
            del tables[TABLE][key]
        for table, key in (("data", "path"), ("data", "obs"), (TABLE, "responses")):
            path = tables.get(table, {}).get(key)
            if path is not None:
                tables[table][key] = [str(Path(path).resolve()), _stamp(path)]
        about = json.dumps([tables, cell.drug, cell.fold, cell.seed], sort_keys=True)
        return hashlib.sha256(about.encode()).hexdigest()


def beside(recipe: Path, tables: dict[str, Any]) -> dict[str, Any]:
    """The tables of that file, the path of responses in them made relative to it."""
    table = tables.get(TABLE, {})
    if isinstance(table, dict) and isinstance(table.get("responses"), str):
        table["responses"] = str(recipe.parent / table["responses"])
    return tables


def _table(kind: type[Any], tables: Mapping[str, Any], key: str) -> Any:
    table = tables.get(key, {})
    if not isinstance(table, Mapping):
        raise RecipeError(f"{key} must be a table: [{key}]")
    return checked(kind, table, where=key)


@cache
def _stamp(path: str) -> list[int]:
    """Size and time of change, which tell whether a file is still the same."""
    file = Path(path)
    if not file.is_file():
        return []
    return [file.stat().st_size, file.stat().st_mtime_ns]
