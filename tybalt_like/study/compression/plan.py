"""Which spaces are compared: the recipe's table ``[compression]``, checked before any training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.core.settings import NamedFile, checked, files_of, pinned, table
from tybalt_like.core.toml import own_table
from tybalt_like.io.gmt import gene_set_file
from tybalt_like.models import Model
from tybalt_like.run.recipe import Recipe
from tybalt_like.study.store import Job, fingerprint

TABLE = "compression"


@table(TABLE)
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
        GMT file with gene sets, or the name of known ones (``hallmark``); without it their
        coverage is not measured.
    """

    models: Mapping[str, Mapping[str, Any]]
    k: tuple[int, ...]
    seeds: int = 5
    labels: tuple[str, ...] = ()
    genesets: NamedFile | None = None

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
class SpaceJob(Job):
    """One training."""

    model: str
    k: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.model}_k{self.k}_seed{self.seed}"


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
        base, own = own_table(
            tables, TABLE, needs="a comparison over k needs the table [compression]"
        )
        if "model" in base:
            raise RecipeError("name models in [compression.models.NAME], not in [model]")
        plan = cls(base, checked(Compression, own, where=TABLE))
        for name in plan.compression.models:
            try:
                plan.recipe(SpaceJob(name, plan.compression.k[0], 0))
            except RecipeError as error:
                raise RecipeError(f"compression.models.{name}: {error}") from None
        if (sets := plan.compression.genesets) is not None:
            try:
                gene_set_file(sets)
            except DataError as error:
                raise RecipeError(f"compression.genesets: {error}") from None
        return plan

    @property
    def name(self) -> str:
        return str(self.tables["name"])

    def jobs(self) -> list[SpaceJob]:
        """All trainings, small spaces first; one of models that a seed does not change."""
        found = []
        for k in sorted(self.compression.k):
            for name in self.compression.models:
                kind = Model.named(self._model(name)["name"])
                depends = self.permuted(name) or not kind.deterministic
                seeds = range(self.compression.seeds if depends else 1)
                found += [SpaceJob(name, k, seed) for seed in seeds]
        return found

    def inputs(self) -> list[Path]:
        """Files that are read."""
        return [*self.recipe(self.jobs()[0]).inputs(), *files_of(self.compression)]

    def recipe(self, job: SpaceJob) -> Recipe:
        """What is trained; the job's seed feeds the training only."""
        model = self._model(job.model)
        training = self.tables.get("training", {}) | model.pop("training", {})
        model = {"latent_dim": job.k} | model
        return Recipe.from_tables({**self.tables, "model": model, "training": training})

    def permuted(self, model: str) -> bool:
        """Whether it is a control, trained on genes that were permuted one by one."""
        return bool(self.compression.models[model].get("permuted", False))

    def identity(self, job: SpaceJob) -> str:
        """Fingerprint of everything the job depends on."""
        given = {"labels": self.compression.labels, "genesets": self.compression.genesets}
        tables = pinned(self.recipe(job).to_tables() | {TABLE: given})
        del tables["name"]
        return fingerprint([tables, job.seed, self.permuted(job.model)])

    def _model(self, name: str) -> dict[str, Any]:
        model = {"name": name} | dict(self.compression.models[name])
        model.pop("permuted", None)
        return model
