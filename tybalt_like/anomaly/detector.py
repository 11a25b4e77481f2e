"""The anomaly detector: views of samples, joined into one score, and its calibration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.anomaly import scores
from tybalt_like.anomaly.attribution import UsualGenes
from tybalt_like.anomaly.calibration import Calibration, PValues, Rule
from tybalt_like.anomaly.combination import VIEWS, Combination
from tybalt_like.anomaly.fitted_views import FittedViews, under
from tybalt_like.anomaly.null import ResidualNull
from tybalt_like.anomaly.outputs import Array, ModelOutputs
from tybalt_like.anomaly.view import N_NEIGHBORS
from tybalt_like.core.errors import DataError
from tybalt_like.core.files import whole_file
from tybalt_like.core.representation import as_html, as_text
from tybalt_like.core.stored import check_axes, read_arrays, sound

MANY = 1000
"""Calibration samples among which one more makes no difference to medians."""
SCHEMA = 5
"""Version of the saved detector; views and parts have versions of their own."""


@dataclass(frozen=True)
class HeldOut:
    """Reference samples as seen by views that were fitted without them.

    Attributes
    ----------
    measures
        A row per sample, a column per view (`FittedViews.measure`).
    residual_cg
        What the model missed of them.
    observed_cg
        Their profiles, on the same scale.
    chosen_cg
        Whether the gene was chosen without the sample; None if all were.
    """

    measures: pd.DataFrame
    residual_cg: Array
    observed_cg: NDArray[np.floating]
    chosen_cg: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, views: FittedViews, samples: ModelOutputs) -> Self:
        """Samples that the views, and the model, have not seen."""
        return cls(views.measure(samples), samples.residual_ng, samples.x_ng)


@dataclass(frozen=True)
class Detector:
    """Scores of a sample, higher is stranger, and their calibration.

    Every `View` gives a score; a model may have some of its own (`ModelOutputs.own`);
    ``combined`` is the strangest of several of these (`Combination`), and the p-value belongs to
    it. The score of a sample depends on nothing but that sample and what is stored here.

    Attributes
    ----------
    views
        What was fitted on the training samples.
    usual
        What the reference samples say of every gene (`gene_scores`).
    held_out
        What the combined views measured of reference samples that were held out.
    calibration
        How p-values are read off them.
    conditional_on
        The sample column that names the strata of the calibration; None if there are none.
    """

    views: FittedViews
    combination: Combination
    usual: UsualGenes
    held_out: pd.DataFrame
    calibration: Calibration
    conditional_on: str | None = None

    @classmethod
    def fit(
        cls,
        train: ModelOutputs,
        calibration: ModelOutputs,
        *,
        n_neighbors: int = N_NEIGHBORS,
        views: Sequence[str] = VIEWS,
    ) -> Self:
        """Learn the shape of the training samples, and on `calibration` all about new ones.

        Parameters
        ----------
        n_neighbors
            Training samples in the latent kNN distance.
        views
            Scores that the combined one is made of.

        Raises
        ------
        DataError
            If there is no score of the name of a view.
        """
        fitted = FittedViews.fit(train, n_neighbors=n_neighbors)
        return cls.calibrated(fitted, HeldOut.of(fitted, calibration), combined=views)

    @classmethod
    def calibrated(
        cls,
        views: FittedViews,
        held_out: HeldOut,
        *,
        combined: Sequence[str] = VIEWS,
        conditional_on: str | None = None,
        stratum_c: Sequence[str] = (),
        unit_c: Sequence[str] = (),
        rule: Rule = "auto",
    ) -> Self:
        """From fitted views and samples that were held out, from them or from views like them.

        Views of part of the reference stand for those of all of it (cross-conformal prediction,
        Vovk 2015) as far as no view depends on how many samples it was fitted to.

        Parameters
        ----------
        combined
            Views that the combined score is made of.
        conditional_on, stratum_c, unit_c, rule
            See `Calibration`.

        Raises
        ------
        DataError
            If there is no score of the name of a view.
        """
        combination = Combination.fit(held_out.measures, combined)
        strata_c = tuple(stratum_c) if conditional_on else ()
        return cls(
            views,
            combination,
            UsualGenes.fit(held_out.residual_cg, held_out.observed_cg, held_out.chosen_cg),
            held_out.measures[list(combination.views)].reset_index(drop=True),
            Calibration(len(held_out.measures), strata_c, tuple(unit_c), rule),
            conditional_on,
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
        measures = self.views.measure(samples)
        values = measures.assign(**{scores.COMBINED: self.combination.score(measures)})
        p_values = self._p_values(measures, groups)
        return scores.tabulate(values, names, model=model, p_values=p_values)

    def score_held_out(
        self, measures: pd.DataFrame, *, names: Sequence[str], model: str
    ) -> pd.DataFrame:
        """The same of the calibration samples, as they were measured when they were held out, each
        compared with the others."""
        values = measures.assign(**{scores.COMBINED: self.calibration_scores})
        p_values = self.calibration.among_others(self.calibration_scores)
        return scores.tabulate(values, names, model=model, p_values=p_values)

    def _p_values(self, measures: pd.DataFrame, groups: Sequence[str] | None) -> PValues:
        if self.calibration.m >= MANY:
            combined_n = self.combination.score(measures)
            return self.calibration.p_values(combined_n, self.calibration_scores, groups)
        score_n, score_nc = self.combination.beside(measures, self.held_out)
        return self.calibration.p_values(score_n, score_nc, groups)

    @property
    def calibration_scores(self) -> Array:
        """Combined scores of the calibration samples, (c,)."""
        return self.combination.score(self.held_out)

    def __repr__(self) -> str:
        return as_text("Detector", self._facts())

    def _repr_html_(self) -> str:
        return as_html("Detector", self._facts())

    def _facts(self) -> dict[str, object]:
        return {
            "combined": ", ".join(self.combination.views),
            "calibration samples": self.calibration.m,
            "smallest p by ranks": f"{self.calibration.smallest:.2g}",
            "views": len(self.views.views),
        }

    def save(self, path: Path) -> None:
        """Write everything as one safetensors file."""
        from safetensors.numpy import save

        combination = asdict(self.combination)
        arrays = self.views.arrays() | {"held_out": np.array(self.held_out, np.float64, order="C")}
        about = {
            "schema": SCHEMA,
            "conditional_on": self.conditional_on,
            "combined": combination.pop("views"),
            "calibration": asdict(self.calibration),
            **self.views.versions(),
        }
        arrays |= {f"combination.{name}": array for name, array in combination.items()}
        arrays |= {f"residuals.{name}": a for name, a in self.usual.residuals.arrays().items()}
        arrays |= {"usual.low_g": self.usual.low_g, "usual.high_g": self.usual.high_g}
        with whole_file(path) as partial:
            partial.write_bytes(save(arrays, {"about": json.dumps(about)}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If a newer version wrote it, it holds a view that is not known here, or it is damaged.
        """
        arrays, about = read_arrays(path)
        if about.get("schema", 1) != SCHEMA:
            raise DataError(
                f"{path}: saved with detector schema {about.get('schema', 1)}, this version reads "
                f"{SCHEMA}; install the tybalt_like version that wrote it"
            )
        with sound(path):
            detector = cls._from_stored(arrays, about, path)
            detector.check(path)
        return detector

    @classmethod
    def _from_stored(cls, arrays: dict[str, np.ndarray], about: dict[str, Any], path: Path) -> Self:
        combined, calibration = tuple(about["combined"]), about["calibration"]
        return cls(
            FittedViews.load(arrays, about, path=path),
            Combination(combined, **under(arrays, "combination")),
            UsualGenes(
                ResidualNull.from_arrays(under(arrays, "residuals")), **under(arrays, "usual")
            ),
            pd.DataFrame(arrays["held_out"], columns=list(combined)),
            Calibration(
                calibration["m"],
                tuple(calibration["stratum_c"]),
                tuple(calibration["unit_c"]),
                calibration["rule"],
            ),
            about["conditional_on"],
        )

    def check(self, path: Path) -> None:
        """Refuse parts that do not fit each other; `path` stands in the message."""
        things = {**self.views.views, **self.views.parts, "residuals": self.usual.residuals}
        genes = self.n_vars
        for thing in things.values():
            arrays = {k: v for k, v in vars(thing).items() if isinstance(v, np.ndarray)}
            check_axes(arrays, path, g=genes)
        for tail in (self.usual.residuals.up, self.usual.residuals.down):
            check_axes(vars(tail), path)
        check_axes({"low_g": self.usual.low_g, "high_g": self.usual.high_g}, path, g=genes)
        weights = {k: v for k, v in vars(self.combination).items() if k != "views"}
        check_axes(weights, path, v=len(self.combination.views))
        m, about = len(self.held_out), self.calibration
        if about.m != m or not {len(about.stratum_c), len(about.unit_c)} <= {0, m}:
            raise DataError(f"{path} does not fit: it is calibrated by other samples than it holds")

    @property
    def n_vars(self) -> int:
        """Genes that it judges."""
        return len(self.usual.low_g)
