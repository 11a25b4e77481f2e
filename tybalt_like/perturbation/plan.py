"""A recipe with a table ``[perturbation]``, checked before anything is read or trained."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import checked, files_of, pinned
from tybalt_like.models import Model, ModelSettings
from tybalt_like.models.networks.paired import Paired
from tybalt_like.perturbation.design import TABLE, Design, Simulation
from tybalt_like.pp import Normalisation
from tybalt_like.run.recipe import Data, model_of
from tybalt_like.study.store import Job, fingerprint

DEFAULT = "dr_vae"
"""The model of a recipe that names none."""
KEYS = ("name", "seed", "data", "simulation", TABLE, "normalize", "model", "training")


@dataclass(frozen=True)
class PairedJob(Job):
    """One training: a drug, the fold that is held out (None: nothing), and a seed."""

    drug: str
    fold: int | None
    seed: int

    @property
    def name(self) -> str:
        """Drugs whose names do not suit a file are told apart by a checksum."""
        drug = re.sub(r"[^\w-]+", "_", self.drug)
        if drug != self.drug:
            drug += "-" + hashlib.sha256(self.drug.encode()).hexdigest()[:6]
        fold = "all" if self.fold is None else f"fold{self.fold}"
        return f"{drug}_{fold}_seed{self.seed}"


@dataclass(frozen=True)
class Plan:
    """Everything that a run over treated samples depends on.

    Attributes
    ----------
    data, simulation
        What is read, or simulated instead; one of them is None.
    given
        The tables ``[model]`` and ``[training]`` as they were given.
    """

    name: str
    seed: int
    data: Data | None
    simulation: Simulation | None
    design: Design
    normalize: Normalisation
    model: ModelSettings
    given: Mapping[str, Mapping[str, Any]]

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
        settings: dict[str, Any] = {
            key: checked(kind, tables[key], where=key) if key in tables else None
            for key, kind in (("data", Data), ("simulation", Simulation))
        }
        normalize = {"scale": "zscore"} | dict(tables.get("normalize", {}))
        _check_name(tables)
        model, given = model_of(tables, default=DEFAULT)
        plan = cls(
            name=str(tables.get("name", TABLE)),
            seed=int(tables.get("seed", 0)),
            **settings,
            design=checked(Design, tables.get(TABLE, {}), where=TABLE),
            normalize=checked(Normalisation, normalize, where="normalize"),
            model=model,
            given=given,
        )
        plan._check()
        return plan

    def _check(self) -> None:
        if self.has_response and self.design.response is None:
            raise RecipeError(
                f"{self.model.name} needs perturbation.response, the column with the responses"
            )

    @property
    def has_response(self) -> bool:
        """Whether the model predicts a response."""
        return "y_n" in self.model.kind.takes

    @property
    def has_pairs(self) -> bool:
        """Whether the model predicts treated profiles."""
        return "x2_ng" in self.model.kind.takes

    @property
    def is_binary(self) -> bool:
        """Whether responses are classes."""
        return getattr(self.model.config, "response", "binary") == "binary"

    def jobs(self, drugs: Sequence[str], n_folds: int) -> list[PairedJob]:
        """All trainings; for the report, each drug also gets a model that nothing is held from."""
        seeds = range(self.seed, self.seed + self.design.seeds)
        found = []
        for drug in drugs:
            found.append(PairedJob(drug, None, self.seed))
            found += [PairedJob(drug, fold, seed) for seed in seeds for fold in range(n_folds)]
        return found

    def inputs(self) -> list[Path]:
        """Files and folders that are read."""
        return list(files_of(self))

    def to_tables(self) -> dict[str, Any]:
        """Nested plain values; `from_tables` reads them back."""
        settings = {
            "data": self.data,
            "simulation": self.simulation,
            TABLE: self.design,
            "normalize": self.normalize,
        }
        tables = {key: asdict(found) for key, found in settings.items() if found is not None}
        named = {"name": self.name, "seed": self.seed} | tables | dict(self.given)
        plain: dict[str, Any] = json.loads(json.dumps(named))
        return plain

    def identity(self, job: PairedJob) -> str:
        """Fingerprint of everything that the job depends on."""
        tables = self.to_tables()
        for key in ("name", "seed"):
            del tables[key]
        for key in ("drugs", "seeds"):
            del tables[TABLE][key]
        return fingerprint([pinned(tables), job.drug, job.fold, job.seed])


def _check_name(tables: Mapping[str, Any]) -> None:
    """The kind of model, before its settings: those of other kinds would be unknown."""
    model = tables.get("model", {})
    name = str(model.get("name", DEFAULT)) if isinstance(model, Mapping) else DEFAULT
    if not issubclass(Model.named(name), Paired):
        known = sorted(name for name, k in Model.registry.items() if issubclass(k, Paired))
        raise RecipeError(
            f"model.name = {name!r} knows no treatment; [{TABLE}] takes {', '.join(known)}"
        )
