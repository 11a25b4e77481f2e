"""A normalisation fitted on training samples, applied to any sample, kept in one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from tybalt_like.core.errors import DataError
from tybalt_like.pp.application import Application
from tybalt_like.pp.batches import BatchOffsets
from tybalt_like.pp.columns import Choice
from tybalt_like.pp.learning import fitted
from tybalt_like.pp.matrix import Floats
from tybalt_like.pp.out_of_core import write_application
from tybalt_like.pp.scale import Scale
from tybalt_like.pp.settings import Normalisation
from tybalt_like.pp.transforms.base import GeneTransform, Transform

if TYPE_CHECKING:
    from anndata import AnnData

SCHEMA = 1
"""Version of the saved layout."""


@dataclass(frozen=True)
class Normaliser:
    """A fitted normalisation. Each sample is transformed on its own, whatever stands beside it.

    Attributes
    ----------
    settings
        What was asked for.
    scale
        Scale of the training values as they were read.
    read_genes
        Genes that whole-sample transforms look at; those of `genes` if there is none.
    ids
        Further identifiers of `read_genes`.
    choices
        Which copy was taken of the genes that the training matrix holds several times.
    sample_steps
        Transforms up to the selection of genes.
    genes
        Selected genes, those that vary most first.
    batches
        Offsets that centre the batches.
    median_g
        Training medians before `scaler`: what a gene that new samples lack is filled with.
    imputer, scaler
        Transforms of the selected genes.
    notes
        What was left out in training, in words.
    """

    settings: Normalisation
    scale: Scale
    read_genes: tuple[str, ...]
    ids: Mapping[str, tuple[str, ...]]
    choices: Mapping[str, Choice]
    sample_steps: tuple[Transform, ...]
    genes: tuple[str, ...]
    batches: BatchOffsets | None
    median_g: Floats
    imputer: GeneTransform | None
    scaler: GeneTransform | None
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        adata: AnnData,
        settings: Normalisation | None = None,
        *,
        train: ArrayLike,
        memory: float = 1.0,
    ) -> Self:
        """Learn everything from the training rows.

        Parameters
        ----------
        adata
            Samples x genes as read; may be sparse or backed by a file larger than memory.
        settings
            The defaults are Tybalt's.
        train
            Boolean mask or row numbers of the samples to learn from.
        memory
            Gigabytes to hold genes in. Where all genes need more, the matrix is read several
            times; the result is the same.

        Raises
        ------
        DataError
            If there are fewer than two training samples, infinite values, missing values that the
            settings do not allow, no gene that varies, or a second logarithm would be taken.
        """
        return cls(**fitted(adata, settings or Normalisation(), train, memory=memory))

    def transform(self, adata: AnnData) -> AnnData:
        """Normalise samples, of the training cohort or new.

        Genes are found by name, then by id, then by alias.

        Returns
        -------
        AnnData
            New; the selected genes in the trained order, ``X`` in float32. Counts are kept in
            ``layers["counts"]``. Genes that `adata` lacks hold the training median (NaN among the
            counts) and are listed in the record.

        Raises
        ------
        DataError
            If too many trained genes are missing, values are missing or infinite, the scale
            contradicts that of the training samples, or a batch is unknown.
        """
        return Application(self, adata).in_memory()

    def write(self, adata: AnnData, path: Path | str) -> None:
        """What `transform` returns, written as h5ad some samples at a time.

        With `open_backed`, neither the matrix nor the result needs to fit into memory.

        Parameters
        ----------
        path
            The old file stays until the new one is whole.

        Raises
        ------
        DataError
            As `transform`.
        """
        write_application(Application(self, adata), Path(path))

    def save(self, path: Path | str) -> None:
        """Write everything as one JSON file; floats keep every digit."""
        steps = [step.to_json() for step in self.sample_steps]
        state = {field.name: getattr(self, field.name) for field in fields(self)} | {
            "schema": SCHEMA,
            "settings": asdict(self.settings),
            "read_genes": self.read_genes if self.read_genes != self.genes else None,
            "choices": {gene: asdict(choice) for gene, choice in self.choices.items()},
            "sample_steps": steps,
            "batches": self.batches and self.batches.to_json(),
            "median_g": self.median_g.tolist(),
            "imputer": self.imputer and self.imputer.to_json(),
            "scaler": self.scaler and self.scaler.to_json(),
        }
        Path(path).write_text(json.dumps(state, allow_nan=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is not a normaliser, or a newer version wrote it.
        """
        try:
            state = json.loads(Path(path).read_text(encoding="utf-8"))
            schema = state.pop("schema")
            if schema == SCHEMA:
                return cls._from_state(state)
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
            raise DataError(f"{path} is not a saved normaliser: {error!r}") from None
        raise DataError(
            f"{path}: saved with normaliser schema {schema}, this version reads {SCHEMA}; install "
            "the tybalt_like version that wrote it"
        )

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        step = Transform.from_json
        return cls(
            **state
            | {
                "settings": Normalisation.configure(**state["settings"]),
                "read_genes": tuple(state["read_genes"] or state["genes"]),
                "ids": {name: tuple(values) for name, values in state["ids"].items()},
                "choices": {gene: Choice(**choice) for gene, choice in state["choices"].items()},
                "sample_steps": tuple(map(step, state["sample_steps"])),
                "genes": tuple(state["genes"]),
                "batches": state["batches"] and BatchOffsets.from_json(state["batches"]),
                "median_g": np.array(state["median_g"]),
                "imputer": state["imputer"] and step(state["imputer"]),
                "scaler": state["scaler"] and step(state["scaler"]),
                "notes": tuple(state["notes"]),
            }
        )
