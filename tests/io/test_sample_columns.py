"""Numbers about samples are no genes, and a sample table is no matrix."""

import numpy as np
import pandas as pd
import pytest

from tybalt_like import pp, read
from tybalt_like.core.errors import DataError
from tybalt_like.genes.human_genes import human
from tybalt_like.io.sample_columns import is_clinical

GENES = ["ACTB", "AKT1", "ALB", "APOE", "TP53", "GAPDH", "ESR1", "KRT5", "XIST", "MYC", "EGFR"]


def table(x_ng: np.ndarray, **beside: object) -> pd.DataFrame:
    """Samples in rows; what stands beside the genes comes first."""
    genes = [*GENES, *(f"GENE{i}A" for i in range(x_ng.shape[1] - len(GENES)))]
    rows = pd.Index([f"P{i:03d}" for i in range(len(x_ng))], name="sample")
    return pd.concat([pd.DataFrame(beside, index=rows), pd.DataFrame(x_ng, rows, genes)], axis=1)


@pytest.fixture
def log_ng() -> np.ndarray:
    return np.random.default_rng(0).normal(8, 2, (30, 60)).clip(0).round(3)


def test_numbers_about_samples_become_sample_columns(log_ng, tmp_path) -> None:
    rng = np.random.default_rng(1)
    beside = {"age": rng.integers(30, 90, 30), "OS.time": rng.integers(10, 4000, 30)}
    beside |= {"died": rng.integers(0, 2, 30), "bmi_kg": rng.normal(25, 3, 30).round(1)}
    # Without a word that is known: by its place, its name and its numbers.
    wide = table(log_ng, **beside, marker_x=rng.integers(100, 900, 30))
    wide.assign(days_of_followup=rng.integers(1, 99, 30)).to_csv(tmp_path / "wide.csv")
    adata = read(tmp_path / "wide.csv")
    moved = ["age", "OS.time", "died", "bmi_kg", "marker_x", "days_of_followup"]
    assert sorted(adata.obs.columns) == sorted(moved)
    assert adata.shape == log_ng.shape
    assert pp.inspect(adata).scale == "log2"
    np.testing.assert_array_equal(adata.obs["age"], beside["age"])
    # Genes in rows: the same rows are no genes.
    wide.T.rename_axis("gene").to_csv(tmp_path / "tall.tsv", sep="\t")
    assert sorted(read(tmp_path / "tall.tsv").obs.columns) == sorted(moved[:-1])


def test_genes_with_odd_names_stay_genes(log_ng, tmp_path) -> None:
    x_ng = np.exp2(log_ng).round()
    wide = table(x_ng).rename(columns={"GENE0A": "5S_rRNA", "GENE1A": "snoU13", "GENE48A": "Y_RNA"})
    wide.to_csv(tmp_path / "counts.csv")
    assert read(tmp_path / "counts.csv").shape == x_ng.shape


def test_no_human_gene_is_taken_for_a_clinical_column() -> None:
    known = human().rows
    assert not [name for kind in known.values() for name in kind if is_clinical(name)]


def test_one_column_does_not_decide_the_scale(log_ng) -> None:
    from anndata import AnnData

    x_ng = log_ng.astype(np.float32)
    x_ng[:, 3] *= 1000
    assert pp.inspect(AnnData(x_ng)).scale == "log2"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"sex": "m", "stage": "II", "age": 50}, "4 columns, 3 of them text"),
        ({"age": 50, "bmi": 21.5, "grade": 2}, "3 columns of numbers, among them age, bmi, grade"),
    ],
)
def test_a_sample_table_is_no_matrix(columns, said, tmp_path) -> None:
    frame = pd.DataFrame(columns, index=[f"P{i}" for i in range(9)]).rename_axis("patient")
    frame.to_csv(tmp_path / "clinical.csv")
    with pytest.raises(DataError, match=f"{said}: this looks like a sample table"):
        read(tmp_path / "clinical.csv", genes_in="columns")


def test_an_orientation_against_the_evidence_is_doubted(log_ng, tmp_path) -> None:
    table(log_ng).to_csv(tmp_path / "wide.csv")
    adata = read(tmp_path / "wide.csv", genes_in="rows")
    assert "as told, although column names include" in adata.uns["tybalt_like"]
