"""53 tasks on public cohorts (``suite.tsv``): what is normal, and what is to be found.

Detectors, views and constants are chosen on the half ``select`` alone; ``test`` confirms a choice
and is what gets reported. No cohort is in both. ``control`` stands apart: normal tissue varies less
than tumours do, so that scores of strangeness may call it typical. Tasks of one ``group``, such as
tissues held out one by one, count as one: groups are the units of means and of their standard
errors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from contaminated import SHARES

from tybalt_like.benchmark.anomaly import detect
from tybalt_like.benchmark.cases import Case
from tybalt_like.benchmark.detectors import (
    OURS,
    WITHOUT_PROFILES,
    models,
    rivals,
    without_profiles,
)
from tybalt_like.core.errors import DataError
from tybalt_like.io import read
from tybalt_like.io.datasets import ENVIRONMENT, load
from tybalt_like.run.progress import Progress

if TYPE_CHECKING:
    from anndata import AnnData

SUITE = Path(__file__).with_name("suite.tsv")
HALVES = ("select", "test", "control")
OTHERS = "*"
"""As normal label: all that are known but the anomalous ones."""
COLUMN = "task"
"""obs column that a task's labels are written to: all its anomalies under one name."""


def suite(
    *,
    only: Sequence[str] | None,
    progress: Progress,
    detectors: Sequence[str] | None = None,
    contaminated: bool = False,
    **how: Any,
) -> pd.DataFrame:
    """The default and the simple detectors on every task, these fitted on all reference samples and
    on the training split; see `detect`. Groups of one cohort share samples, so that errors over
    groups are somewhat too small.

    Parameters
    ----------
    only
        Names of halves, groups, cohorts or tasks.
    detectors
        Some of these, or of `models`, which take minutes for each task, or `WITHOUT_PROFILES`.
    contaminated
        With none, 1, 5 and 10 % of the reference samples being anomalies; simple detectors without
        p-values.
    """
    usual = OURS | (rivals(folds=0) if contaminated else rivals() | rivals(split=True))
    known = usual | models() | {WITHOUT_PROFILES: without_profiles()}
    if unknown := set(detectors or ()) - set(known):
        raise DataError(f"unknown detector {min(unknown)!r}; known: {', '.join(known)}")
    chosen = {name: known[name] for name in detectors or usual}
    cases = (
        (replace(case, hidden=share), adata)
        for case, adata in of_suite(only, progress)
        for share in ((0.0, *SHARES) if contaminated else (0.0,))
    )
    return detect(cases, detectors=chosen, progress=progress, **how)


def of_suite(only: Sequence[str] | None, progress: Progress) -> Iterator[tuple[Case, AnnData]]:
    """The tasks whose cohorts are on this machine, with their samples.

    Raises
    ------
    DataError
        If a name in `only` is unknown.
    """
    tasks = pd.read_csv(SUITE, sep="\t", dtype=str)
    names_t = tasks[["half", "group", "cohort", "name"]]
    if unknown := set(only or ()) - set(names_t.to_numpy().ravel()):
        raise DataError(
            f"unknown half, group, cohort or task {min(unknown)!r}; groups: "
            f"{', '.join(tasks['group'].unique())}"
        )
    if only:
        tasks = tasks[names_t.isin(list(only)).any(axis=1)]
    for name, of_cohort in tasks.groupby("cohort", sort=False):
        try:
            adata = cohort(str(name))
        except DataError as error:
            progress.say(f"left out: {error}")
            continue
        for row in of_cohort.to_dict(orient="records"):
            yield task(row, adata)


def task(row: Mapping[str, str], adata: AnnData) -> tuple[Case, AnnData]:
    """The case of a line of the table, its labels in ``obs["task"]``.

    Raises
    ------
    DataError
        If a label does not exist.
    """
    label_n = _labels(adata, row["cohort"], row["label"])
    anomalies, known = row["anomaly"].split(" | "), sorted(set(label_n) - {""})
    normal = row["normal"].split(" | ")
    if normal == [OTHERS]:
        normal = [label for label in known if label not in anomalies]
    if missing := {*normal, *anomalies} - set(known):
        raise DataError(f"{row['name']}: no sample has {row['label']} = {min(missing)!r}")
    adata.obs[COLUMN] = np.where(np.isin(label_n, anomalies), row["anomaly"], label_n)
    about = {key: row[key] for key in ("group", "half")}
    return Case(
        row["name"], row["cohort"], COLUMN, tuple(normal), (row["anomaly"],), **about
    ), adata


def cohort(name: str) -> AnnData:
    """A cohort's samples on the scale that is usual for it, no step of which looks at more than one
    sample."""
    if name == "tcga_brca":
        # The shipped file holds the genes that vary most over all samples, anomalies included.
        return read(Path(os.environ.get(ENVIRONMENT, "")) / name / "tcga_brca.h5ad")
    adata = load(name)
    if name == "pbmc68k_reduced":  # X is standardised over all cells
        adata = adata.raw.to_adata()
        adata.X = adata.X.toarray()
    if name == "kang_ifnb":
        counts_ng = adata.X.toarray()
        adata.X = np.log1p(counts_ng / counts_ng.sum(1, keepdims=True) * 1e4)
    return adata


def _labels(adata: AnnData, cohort: str, label: str) -> np.ndarray:
    """A label of every sample, "" where there is none."""
    if (cohort, label) in DERIVED:
        return DERIVED[cohort, label](adata.obs)
    column = adata.obs[label]
    return np.where(column.isna(), "", column.astype(str))


def _histology(obs: pd.DataFrame) -> np.ndarray:
    names = {"Infiltrating duct carcinoma, NOS": "ductal", "Lobular carcinoma, NOS": "lobular"}
    luminal_n = obs["pam50"].isin(["Luminal A", "Luminal B"])
    return np.where(luminal_n, obs["primary_diagnosis"].astype(str).map(names).fillna(""), "")


def _molecular(obs: pd.DataFrame) -> np.ndarray:
    return np.where(obs["lineage"] == "B", obs["mol.biol"].astype(str), "")


def _tumour(obs: pd.DataFrame) -> np.ndarray:
    """Without lines of unknown origin and those that were measured again."""
    type_n = obs["tumour_type"].astype(str)
    return np.where((type_n == "UNKNOWN") | type_n.str.contains("repro"), "", type_n)


def _monocytes(obs: pd.DataFrame) -> np.ndarray:
    return np.where(obs["cluster_id"] == "CD14+ Monocytes", obs["group_id"].astype(str), "")


def _controls(obs: pd.DataFrame) -> np.ndarray:
    return np.where(obs["group_id"] == "ctrl", obs["cluster_id"].astype(str), "")


def _dose(obs: pd.DataFrame) -> np.ndarray:
    return obs["Dose.Group"].astype(str).to_numpy()


def _carbon(obs: pd.DataFrame) -> np.ndarray:
    source_n = obs["Carbon Source (g_per_L)"].astype(str)
    sort_n = np.where(source_n.str.startswith("glucose"), "glucose", "other")
    return np.where(source_n == "", "", sort_n)


def _stress(obs: pd.DataFrame) -> np.ndarray:
    hot_n = pd.to_numeric(obs["Temperature (C)"]) > 40
    return np.where(hot_n, "heat", np.where(pd.to_numeric(obs["pH"]) != 7, "pH", "none"))


DERIVED: dict[tuple[str, str], Callable[[pd.DataFrame], np.ndarray]] = {
    ("tcga_brca", "histology"): _histology,
    ("all_leukaemia", "b_mol"): _molecular,
    ("nci60", "tumour_type"): _tumour,
    ("kang_ifnb", "mono"): _monocytes,
    ("kang_ifnb", "ctrl_type"): _controls,
    ("rat_liver_toxicity", "Dose"): _dose,
    ("ecoli_precise", "carbon"): _carbon,
    ("ecoli_precise", "stress"): _stress,
}
"""Labels that are not columns of the files, by cohort."""
