"""All views, fitted to training samples, and what they measure of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from tybalt_like.anomaly import views as _views  # noqa: F401 - every view is registered
from tybalt_like.anomaly.outputs import Array, ModelOutputs
from tybalt_like.anomaly.view import N_NEIGHBORS, Part, Reference, Samples, View, arrays_of
from tybalt_like.anomaly.views.gene_residual import GeneResidual
from tybalt_like.core.errors import DataError
from tybalt_like.core.rows import blocks


@dataclass(frozen=True)
class FittedViews:
    """Every `View` there is, fitted to the same training samples, with the parts they share.

    Attributes
    ----------
    views, parts
        By name.
    """

    views: Mapping[str, View]
    parts: Mapping[str, Part]

    @classmethod
    def fit(cls, train: ModelOutputs, *, n_neighbors: int = N_NEIGHBORS) -> Self:
        """Learn the shape of the training samples."""
        reference = Reference(train, n_neighbors=n_neighbors)
        views = {name: kind.fit(reference) for name, kind in View.registry.items()}
        return cls(views, reference.parts)

    def measure(self, outputs: ModelOutputs) -> pd.DataFrame:
        """A row per sample; a column per view, and per score that the model has of its own."""
        measured = [self._measured(outputs[rows]) for rows in blocks(len(outputs.x_ng))]
        return pd.concat(measured or [self._measured(outputs)], ignore_index=True)

    def _measured(self, outputs: ModelOutputs) -> pd.DataFrame:
        samples = Samples(outputs, self.parts)
        columns = {name: view.score(samples) for name, view in self.views.items()}
        own = {name: score_n for name, score_n in outputs.own.items() if name not in columns}
        return pd.DataFrame(columns | own)

    @property
    def error_g(self) -> Array:
        """How far each gene usually is from what the model expects, on the model's scale."""
        view = self.views[GeneResidual.name]
        assert isinstance(view, GeneResidual)
        return view.sd_g

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is to be saved; `versions` belongs to it."""
        found: dict[str, np.ndarray] = {}
        for kind, things in (("view", self.views), ("part", self.parts)):
            for name, thing in things.items():
                found |= {f"{kind}.{name}.{f}": array for f, array in arrays_of(thing).items()}
        return found

    def versions(self) -> dict[str, dict[str, int]]:
        """Of the views and parts, by name."""
        return {
            "views": {name: view.version for name, view in self.views.items()},
            "parts": {name: part.version for name, part in self.parts.items()},
        }

    @classmethod
    def load(
        cls,
        arrays: Mapping[str, np.ndarray],
        versions: Mapping[str, Mapping[str, int]],
        *,
        path: Path,
    ) -> Self:
        """From what `arrays` and `versions` gave; `path` stands in the messages.

        Raises
        ------
        DataError
            If there is a view or part that is not known here, or another version of it.
        """
        return cls(
            {
                n: _loaded(View.registry, "view", n, v, arrays, path)
                for n, v in versions["views"].items()
            },
            {
                n: _loaded(Part.registry, "part", n, v, arrays, path)
                for n, v in versions["parts"].items()
            },
        )


def under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays below a name, by the rest of theirs."""
    start = f"{prefix}."
    return {key.removeprefix(start): a for key, a in arrays.items() if key.startswith(start)}


def _loaded(
    registry: Mapping[str, type[Any]],
    kind: str,
    name: str,
    version: int,
    arrays: Mapping[str, np.ndarray],
    path: Path,
) -> Any:
    """A view or part with the arrays that were saved under its name."""
    if name not in registry:
        raise DataError(f"{path}: it holds the {kind} {name!r}, which is not known here; add it")
    if registry[name].version != version:
        raise DataError(
            f"{path}: it holds version {version} of the {kind} {name!r}, this is version "
            f"{registry[name].version}; install the tybalt_like version that wrote it"
        )
    return registry[name](**under(arrays, f"{kind}.{name}"))
