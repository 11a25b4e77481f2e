"""The samples of a plan, from wherever they come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like import io, pp
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded
from tybalt_like.io import datasets
from tybalt_like.io.options import in_words
from tybalt_like.perturbation.design import ONE_TREATMENT, Design
from tybalt_like.perturbation.folds import folds
from tybalt_like.perturbation.matching import Index, Units, drugs, units
from tybalt_like.perturbation.plan import Plan
from tybalt_like.perturbation.published import is_published, read_published
from tybalt_like.perturbation.simulation import simulate
from tybalt_like.pp.findings import check_samples

if TYPE_CHECKING:
    from anndata import AnnData

SHOWN = 5


@dataclass(frozen=True)
class Samples:
    """What was read.

    Attributes
    ----------
    responses
        One row per group and drug, where responses have a table of their own.
    units
        Pairs and single samples, by drug.
    findings
        What is to know about the matrix.
    """

    adata: AnnData
    design: Design
    responses: pd.DataFrame | None
    units: dict[str, Units]
    findings: list[str]

    def folds(self, drug: str, *, seed: int) -> Index:
        """The fold of each of the drug's units."""
        return folds(self.units[drug], self.adata.obs, self.design, seed=seed)

    @property
    def n_folds(self) -> int:
        """Parts that are held out in turn."""
        if self.design.fold is None:
            return self.design.folds
        return int(max(self.folds(drug, seed=0).max() for drug in self.units)) + 1

    @property
    def reading(self) -> dict[str, object]:
        """How it was read."""
        return dict(recorded(self.adata).get("reading", {}))


def read(plan: Plan) -> Samples:
    """Read samples and responses, form pairs, and check what can be checked before training.

    Raises
    ------
    DataError
        Samples that nothing can be said of, columns that are missing, treated samples without
        controls, responses that are unknown or of one class, groups in several folds.
    """
    adata, responses = _read(plan)
    findings = pp.inspect(adata)
    check_samples(findings)
    design = plan.design
    found = {
        drug: units(adata.obs, design, drug=drug, responses=responses)
        for drug in drugs(adata.obs, design)
    }
    samples = Samples(adata, design, responses, found, findings.lines())
    for drug, of_drug in found.items():
        samples.folds(drug, seed=plan.seed)
        if plan.has_response:
            _check_responses(of_drug, plan, drug)
        if plan.has_pairs and not of_drug.table["is_pair"].any():
            raise DataError(f"{drug}: no pairs of untreated and treated samples")
    return samples


def _read(plan: Plan) -> tuple[AnnData, pd.DataFrame | None]:
    if plan.simulation is not None:
        return simulate(plan.simulation), None
    data, responses = plan.data, None
    assert data is not None  # one of the two is there
    if data.dataset is not None:
        adata = datasets.load(data.dataset)
    elif is_published(Path(str(data.path))):
        if data.parts():
            raise DataError(f"{data.path}: {in_words(data.parts())} has no meaning there")
        adata, responses = read_published(Path(str(data.path)))
    else:
        adata = io.read(str(data.path), obs=data.obs, options=data)
    if plan.design.responses is not None:
        responses = read_responses(Path(plan.design.responses), plan.design)
    return adata, responses


def read_responses(path: Path, design: Design) -> pd.DataFrame:
    """A table of responses, as CTRP or GDSC give them: one row per cell line and drug.

    Raises
    ------
    DataError
        If the file or a column is missing, a response is no number, or a pair comes twice with
        different responses.
    """
    columns = [design.group, str(design.drug), str(design.response)]
    if not path.is_file():
        raise DataError(f"perturbation.responses: no file {path}")
    table = pd.read_csv(path, sep=None, engine="python", dtype=str)
    for column in columns:
        if column not in table:
            raise DataError(
                f"{path}: no column {column!r}; it has {', '.join(map(str, table.columns[:20]))}"
            )
    table = table[columns].dropna()
    number = pd.to_numeric(table[columns[2]], errors="coerce")
    if number.isna().any():
        row = table[number.isna()].iloc[0]
        raise DataError(
            f"{path}: {columns[2]} of {row[columns[0]]} and {row[columns[1]]} is "
            f"{row[columns[2]]!r}, not a number"
        )
    table[columns[2]] = number
    table = table.drop_duplicates()
    twice = table.duplicated(columns[:2])
    if twice.any():
        row = table[twice].iloc[0]
        raise DataError(
            f"{path}: {row[columns[0]]} and {row[columns[1]]} come twice with different "
            f"{columns[2]}"
        )
    return table


def _check_responses(found: Units, plan: Plan, drug: str) -> None:
    known = found.table["response"].dropna()
    of = "" if drug == ONE_TREATMENT else f" of {drug}"
    if known.empty:
        raise DataError(
            f"no response{of} is known: {plan.design.response!r} is empty in all "
            f"{len(found.table)} samples; pert_vae needs none"
        )
    if not plan.is_binary or plan.design.threshold is not None:
        if known.nunique() < 2:
            raise DataError(f"all {len(known)} known responses{of} are {known.iloc[0]:g}")
        return
    other = known[~known.isin((0, 1))]
    if len(other):
        raise DataError(
            f"response{of} {other.iloc[0]:g} of sample {other.index[0]} is neither 0 nor 1; set "
            "perturbation.threshold, or model.response = 'continuous'"
        )
    if known.nunique() < 2:
        raise DataError(
            f"all {len(known)} known responses{of} are {known.iloc[0]:g}; two classes are needed"
        )


def binary(response_n: np.ndarray, threshold: float) -> np.ndarray:
    """1 above the threshold, 0 elsewhere, NaN where unknown."""
    return np.where(np.isnan(response_n), np.nan, response_n > threshold)
