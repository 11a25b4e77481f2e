"""What normal looks like: fitted on training samples, calibrated on held-out ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tybalt_like.anomaly.attribution import Errors
from tybalt_like.anomaly.calibration import conformal_p_values
from tybalt_like.anomaly.combination import VIEWS, Combination
from tybalt_like.anomaly.detector_1 import Detector1
from tybalt_like.anomaly.latent import N_NEIGHBORS, Density, Position
from tybalt_like.anomaly.outputs import Array, Evidence
from tybalt_like.anomaly.profile import Profile
from tybalt_like.anomaly.residual import Residual
from tybalt_like.core.errors import DataError

SCHEMA = 2
"""Version of the saved detector."""
COMMON = (
    *("reconstruction", "gene_residual", "mahalanobis", "knn", "density", "typicality"),
    *("nearest", "whitened", "relative"),
)
"""Scores that every model has."""
PARTS = {
    "residual": Residual,
    "position": Position,
    "density": Density,
    "profile": Profile,
    "combination": Combination,
    "errors": Errors,
}


@dataclass(frozen=True)
class Detector:
    """Scores of a sample, higher is stranger, and their calibration.

    - ``reconstruction``, ``gene_residual``: what the model cannot express (`Residual`);
    - ``mahalanobis``, ``knn`` (`Position`), ``density``, ``typicality`` (`Density`): where in the
      latent space the sample lies;
    - ``nearest``, ``whitened``, ``relative``: distance to training profiles (`Profile`);
    - the scores that only this model has (`Evidence.own`);
    - ``combined``: the strangest of several of these (`Combination`); the p-value belongs to it.

    The score of a sample depends on nothing but that sample and what is stored here.

    Attributes
    ----------
    errors
        How far each gene usually is from what the model expects (`gene_scores`).
    calibration_c
        Combined scores of the calibration samples.
    conditional_on, group_c
        The sample column whose groups are calibrated apart, and the group of each calibration
        sample; None and empty if all are calibrated together.
    """

    residual: Residual
    position: Position
    density: Density
    profile: Profile
    combination: Combination
    errors: Errors
    calibration_c: Array
    conditional_on: str | None = None
    group_c: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        train: Evidence,
        calibration: Evidence,
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
        parts: dict[str, Any] = {
            "residual": Residual.fit(train),
            "position": Position.fit(train, n_neighbors=n_neighbors),
            "density": Density.fit(train),
            "profile": Profile.fit(train),
        }
        table = _table(parts, calibration)
        combination = Combination.fit(table, views)
        return cls(
            **parts,
            combination=combination,
            errors=Errors.fit(calibration.residual_ng),
            calibration_c=combination.score(table),
            conditional_on=conditional_on,
            group_c=tuple(groups) if conditional_on else (),
        )

    def score(self, samples: Evidence, *, groups: Sequence[str] | None = None) -> pd.DataFrame:
        """One row per sample: all scores, ``combined`` and ``p_value``.

        Parameters
        ----------
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
        parts = {name: getattr(self, name) for name in PARTS}
        table = _table(parts, samples)
        combined_n = self.combination.score(table)
        p_n = conformal_p_values(
            combined_n,
            self.calibration_c,
            group_n=groups if self.conditional_on else None,
            calibration_group_m=self.group_c if self.conditional_on else None,
        )
        return table.assign(combined=combined_n, p_value=p_n)

    @property
    def smallest_p_value(self) -> float:
        """No sample can get a smaller p-value than this; by group, the largest of these."""
        sizes = pd.Series(self.group_c).value_counts().to_list() or [len(self.calibration_c)]
        return 1 / (min(sizes) + 1)

    def save(self, path: Path) -> None:
        """Write everything as one safetensors file."""
        from safetensors.numpy import save

        arrays = {
            f"{part}.{f.name}": np.array(getattr(getattr(self, part), f.name), order="C")
            for part, kind in PARTS.items()
            for f in fields(kind)
            if f.name != "views"  # words go into the header
        }
        about = {"schema": SCHEMA, "conditional_on": self.conditional_on, "groups": self.group_c}
        about["views"] = self.combination.views
        arrays["calibration_c"] = self.calibration_c
        path.write_bytes(save(arrays, {"about": json.dumps(about)}))

    @staticmethod
    def load(path: Path) -> Detector | Detector1:
        """Read what `save` wrote, in this or an earlier version.

        Raises
        ------
        DataError
            If a newer version wrote it.
        """
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {}).get("about", '{"schema": 1}'))
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if about["schema"] == 1:
            return Detector1(**arrays)
        if about["schema"] != SCHEMA:
            raise DataError(
                f"{path}: saved with detector schema {about['schema']}, this version reads up to "
                f"{SCHEMA}; install the tybalt_like version that wrote it"
            )
        words = {"combination.views": tuple(about["views"])}
        parts = {
            part: kind(**{f.name: (arrays | words)[f"{part}.{f.name}"] for f in fields(kind)})
            for part, kind in PARTS.items()
        }
        return Detector(
            **parts,
            calibration_c=arrays["calibration_c"],
            conditional_on=about["conditional_on"],
            group_c=tuple(about["groups"]),
        )


def _table(parts: dict[str, Any], samples: Evidence) -> pd.DataFrame:
    """All scores but the combined one."""
    columns: dict[str, Array] = {}
    for name in ("residual", "position", "density", "profile"):
        columns |= parts[name].score(samples)
    own = {name: score_n for name, score_n in samples.own.items() if name not in columns}
    return pd.DataFrame(columns | own)
