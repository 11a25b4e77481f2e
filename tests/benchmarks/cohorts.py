"""The public cohorts of the benchmarks: what is normal, what is to be found, what is read off."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tybalt_like.benchmark.cases import Case
from tybalt_like.benchmark.latent import Task
from tybalt_like.core.errors import DataError
from tybalt_like.io.datasets import ENVIRONMENT, load
from tybalt_like.run.progress import Progress

if TYPE_CHECKING:
    from anndata import AnnData

TISSUES = ("cerebellum", "colon", "endometrium", "hippocampus", "kidney", "liver", "placenta")
CASES = (
    Case(
        "tcga_brca",
        "tcga_brca",
        "pam50",
        ("Luminal A", "Luminal B"),
        ("Basal-like", "HER2-enriched"),
    ),
    Case("all_leukaemia", "all_leukaemia", "lineage", ("B",), ("T",)),
    Case("lung_gordon", "lung_gordon", "tumour_type", ("adenocarcinoma",), ("mesothelioma",)),
    *(
        Case(
            "tissue_dslabs",
            "tissue_dslabs",
            "tissue",
            tuple(tissue for tissue in TISSUES if tissue != held),
            (held,),
            group="tissues",
        )
        for held in TISSUES
    ),
    Case("tggates_hepatocyte", "tggates_hepatocyte", "dose_level", ("Control",), ("High",)),
    Case("cptac_ucec", "cptac_ucec", "Histologic_type", ("Endometrioid",), ("Serous",)),
    Case(
        "cptac_ucec, control",
        "cptac_ucec",
        "Proteomics_Tumor_Normal",
        ("Tumor",),
        ("Adjacent_normal",),
        half="control",
        remark="negative control: normal tissue varies less than tumours do, so that scores of "
        "strangeness may call it typical",
    ),
)


def of_benchmark(names: Sequence[str] | None, progress: Progress) -> Iterator[tuple[Case, AnnData]]:
    """The cases that are on this machine, with their samples.

    Raises
    ------
    DataError
        If there is none, or one of those named is missing or unknown.
    """
    known = dict.fromkeys(case.name for case in CASES)
    if unknown := set(names or ()) - set(known):
        raise DataError(f"unknown case {min(unknown)!r}; known: {', '.join(known)}")
    found = False
    for case in CASES:
        if names is not None and case.name not in names:
            continue
        try:
            adata = load(case.dataset)
        except DataError as error:
            if names is not None:
                raise
            progress.say(f"left out: {error}")
            continue
        found = True
        yield case, adata
    if not found:
        raise DataError("none of the cohorts is on this machine; set TYBALT_LIKE_DATA")


HALLMARK = "genesets/msigdb_h.all.v7.5.1.symbols.gmt.gz"
"""In the folder that TYBALT_LIKE_DATA names."""
TASKS = {
    "tcga_brca": Task(("pam50",), gene_sets=HALLMARK),
    "all_leukaemia": Task(("lineage", "sex", "mol.biol"), covariate="sex"),
    "tissue_dslabs": Task(("tissue",), gene_sets=HALLMARK),
    "cptac_ucec": Task(
        ("Histologic_type", "Genomics_subtype"),
        covariate="Proteomics_TMT_batch",
        gene_sets=HALLMARK,
    ),
    "geuvadis_counts": Task(("sex",), gene_sets=HALLMARK),
}


def of_tasks(
    names: Sequence[str] | None, progress: Progress
) -> Iterator[tuple[str, Task, AnnData]]:
    """The cohorts of `TASKS` that are on this machine.

    Raises
    ------
    DataError
        If one of those named is missing or unknown.
    """
    if unknown := set(names or ()) - set(TASKS):
        raise DataError(f"unknown cohort {min(unknown)!r}; known: {', '.join(TASKS)}")
    for name in names or TASKS:
        try:
            adata = load(name)
        except DataError as error:
            if names is not None:
                raise
            progress.say(f"left out: {error}")
            continue
        yield name, _with_sets(TASKS[name]), adata


def _with_sets(task: Task) -> Task:
    """With the file of gene sets where it is, or without."""
    file = Path(os.environ.get(ENVIRONMENT, ".")) / (task.gene_sets or "")
    return replace(task, gene_sets=str(file) if file.is_file() else None)
