"""The anomaly detector: fitted on training samples, calibrated on held-out ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tybalt_like.anomaly import scores
from tybalt_like.anomaly import views as _views  # noqa: F401 - every view is registered
from tybalt_like.anomaly.attribution import ResidualStatistics
from tybalt_like.anomaly.calibration import conformal_p_values
from tybalt_like.anomaly.combination import VIEWS, Combination
from tybalt_like.anomaly.outputs import Array, ModelOutputs
from tybalt_like.anomaly.view import N_NEIGHBORS, Part, Reference, Samples, View, arrays_of
from tybalt_like.core.errors import DataError
from tybalt_like.core.files import whole_file
from tybalt_like.core.representation import as_html, as_text

SCHEMA = 3
"""Version of the saved detector; views and parts have versions of their own."""


@dataclass(frozen=True)
class Detector:
    """Scores of a sample, higher is stranger, and their calibration.

    Every `View` gives a score; a model may have some of its own (`ModelOutputs.own`);
    ``combined`` is the strangest of several of these (`Combination`), and the p-value belongs to
    it. The score of a sample depends on nothing but that sample and what is stored here.

    Attributes
    ----------
    views, parts
        By name: what was fitted on the training samples.
    residuals
        How far each gene usually is from what the model expects (`gene_scores`).
    calibration_c
        Combined scores of the calibration samples.
    conditional_on, group_c
        The sample column whose groups are calibrated apart, and the group of each calibration
        sample; None and empty if all are calibrated together.
    """

    views: Mapping[str, View]
    parts: Mapping[str, Part]
    combination: Combination
    residuals: ResidualStatistics
    calibration_c: Array
    conditional_on: str | None = None
    group_c: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        train: ModelOutputs,
        calibration: ModelOutputs,
        *,
        n_neighbors: int = N_NEIGHBORS,
        views: Sequence[str] = VIEWS,
        conditional_on: str | None = None,
        groups: Sequence[str] = (),
    ) -> Detector:
        """Learn the shape of the training samples, and on `calibration` all about new ones.

        Parameters
        ----------
        n_neighbors
            Training samples in the latent kNN distance.
        views
            Scores that the combined one is made of.
        conditional_on, groups
            A sample column, and its value for each calibration sample, if p-values are to hold
            within each of its groups.

        Raises
        ------
        DataError
            If there is no score of the name of a view.
        """
        reference = Reference(train, n_neighbors=n_neighbors)
        fitted = {name: kind.fit(reference) for name, kind in View.registry.items()}
        table = _table(fitted, reference.parts, calibration)
        combination = Combination.fit(table, views)
        return cls(
            fitted,
            reference.parts,
            combination,
            residuals=ResidualStatistics.fit(calibration.residual_ng),
            calibration_c=combination.score(table),
            conditional_on=conditional_on,
            group_c=tuple(groups) if conditional_on else (),
        )

    def score(
        self,
        samples: ModelOutputs,
        *,
        names: Sequence[str],
        model: str,
        groups: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """All scores of samples as a long table (`anomaly.scores`), with p-values.

        Parameters
        ----------
        names
            Of the samples.
        model
            Whose outputs these are.
        groups
            Value of the column `conditional_on` for each sample.

        Raises
        ------
        DataError
            If calibration was by group and `groups` is not given.
        """
        if self.conditional_on and groups is None:
            raise DataError(
                f"these scores are calibrated by {self.conditional_on!r}: the samples need that "
                "column in their table"
            )
        table = _table(self.views, self.parts, samples)
        combined_n = self.combination.score(table)
        p_n = conformal_p_values(
            combined_n,
            self.calibration_c,
            group_n=groups if self.conditional_on else None,
            calibration_group_m=self.group_c if self.conditional_on else None,
        )
        values = {str(name): column.to_numpy() for name, column in table.items()}
        values[scores.COMBINED] = combined_n
        return scores.tabulate(values, names, model=model, p_value_n=p_n)

    @property
    def smallest_p_value(self) -> float:
        """No sample can get a smaller p-value than this."""
        sizes = pd.Series(self.group_c).value_counts().to_list() or [len(self.calibration_c)]
        return 1 / (max(sizes) + 1)

    def __repr__(self) -> str:
        return as_text("Detector", self._facts())

    def _repr_html_(self) -> str:
        return as_html("Detector", self._facts())

    def _facts(self) -> dict[str, object]:
        return {
            "combined": ", ".join(self.combination.views),
            "calibration samples": len(self.calibration_c),
            "smallest p": f"{self.smallest_p_value:.2g}",
            "views": len(self.views),
        }

    def save(self, path: Path) -> None:
        """Write everything as one safetensors file."""
        from safetensors.numpy import save

        arrays = {"calibration_c": self.calibration_c}
        for kind, things in (("view", self.views), ("part", self.parts)):
            for name, thing in things.items():
                arrays |= {f"{kind}.{name}.{f}": a for f, a in arrays_of(thing).items()}
        combination = asdict(self.combination)
        about = {
            "schema": SCHEMA,
            "conditional_on": self.conditional_on,
            "groups": self.group_c,
            "combined": combination.pop("views"),
            "views": {name: view.version for name, view in self.views.items()},
            "parts": {name: part.version for name, part in self.parts.items()},
        }
        arrays |= {f"combination.{name}": array for name, array in combination.items()}
        arrays |= {f"residuals.{name}": array for name, array in asdict(self.residuals).items()}
        with whole_file(path) as partial:
            partial.write_bytes(save(arrays, {"about": json.dumps(about)}))

    @staticmethod
    def load(path: Path) -> Detector:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If a newer version wrote it, or it holds a view that is not known here.
        """
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {}).get("about", '{"schema": 1}'))
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if about["schema"] != SCHEMA:
            raise DataError(
                f"{path}: saved with detector schema {about['schema']}, this version reads "
                f"{SCHEMA}; install the tybalt_like version that wrote it"
            )
        parts = {
            name: _loaded(Part.registry, "part", name, version, arrays, path)
            for name, version in about["parts"].items()
        }
        views = {
            name: _loaded(View.registry, "view", name, version, arrays, path)
            for name, version in about["views"].items()
        }
        return Detector(
            views,
            parts,
            Combination(tuple(about["combined"]), **_under(arrays, "combination")),
            residuals=ResidualStatistics(**_under(arrays, "residuals")),
            calibration_c=arrays["calibration_c"],
            conditional_on=about["conditional_on"],
            group_c=tuple(about["groups"]),
        )


def _table(
    views: Mapping[str, View], parts: Mapping[str, Part], outputs: ModelOutputs
) -> pd.DataFrame:
    """All scores but the combined one, a column each."""
    samples = Samples(outputs, parts)
    columns = {name: view.score(samples) for name, view in views.items()}
    own = {name: score_n for name, score_n in outputs.own.items() if name not in columns}
    return pd.DataFrame(columns | own)


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
    return registry[name](**_under(arrays, f"{kind}.{name}"))


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays below a name, by the rest of theirs."""
    start = f"{prefix}."
    return {key.removeprefix(start): a for key, a in arrays.items() if key.startswith(start)}
