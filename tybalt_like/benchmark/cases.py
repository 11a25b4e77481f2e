"""What is normal and what is to be found, in the cohorts of the benchmark and in one's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tybalt_like.core.errors import DataError
from tybalt_like.io import read
from tybalt_like.io.datasets import load
from tybalt_like.run.progress import Narrator

if TYPE_CHECKING:
    from anndata import AnnData

TISSUES = ("cerebellum", "colon", "endometrium", "hippocampus", "kidney", "liver", "placenta")


@dataclass(frozen=True)
class Case:
    """A cohort with the labels of its normal samples, and of the anomalies.

    Attributes
    ----------
    name
        Of the rows.
    remark
        What to know before reading the numbers.
    """

    name: str
    dataset: str
    label: str
    normal: tuple[str, ...]
    anomalies: tuple[str, ...]
    remark: str = ""


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
        remark="negative control: normal tissue varies less than tumours do, so that scores of "
        "strangeness may call it typical",
    ),
)


def of_benchmark(names: Sequence[str] | None, narrator: Narrator) -> Iterator[tuple[Case, AnnData]]:
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
            narrator.say(f"left out: {error}")
            continue
        found = True
        yield case, adata
    if not found:
        raise DataError("none of the cohorts is on this machine; set TYBALT_LIKE_DATA")


def of_file(
    path: str,
    *,
    label: str,
    normal: Sequence[str],
    anomalies: Sequence[str],
    obs: str | None = None,
) -> tuple[Case, AnnData]:
    """A case of one's own.

    Parameters
    ----------
    path
        Any matrix that `io.read` reads.
    label
        Column with the labels below.
    obs
        Sample table to join to the matrix.

    Raises
    ------
    DataError
        If the column or one of the labels does not exist.
    """
    adata = read(path, obs=obs)
    if label not in adata.obs:
        known = ", ".join(map(str, adata.obs.columns)) or "none"
        raise DataError(f"{path}: no column {label!r} in the sample table; columns: {known}")
    found = set(adata.obs[label].astype(str))
    if missing := [value for value in (*normal, *anomalies) if value not in found]:
        raise DataError(f"{path}: no sample has {label} = {missing[0]!r}; labels: {sorted(found)}")
    return Case(Path(path).name, path, label, tuple(normal), tuple(anomalies)), adata
