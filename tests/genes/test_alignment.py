"""Genes of a trained list are found in other matrices, and none is found by mistake."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import tybalt_like as ty
from tybalt_like import genes
from tybalt_like.core.provenance import recorded


def matrix(names: list[str], **columns: list) -> AnnData:
    x = np.arange(2.0 * len(names), dtype=np.float32).reshape(2, -1)
    return AnnData(x, var=pd.DataFrame(columns, index=names), obs=pd.DataFrame(index=["a", "b"]))


def test_by_name_before_anything_else():
    found = genes.align(matrix(["TP53", "EGFR", "MYC"]), ["MYC", "KRAS", "TP53"])
    assert found.columns == ((2,), (), (0,))
    assert not found.renamed


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ("ENSG00000141510.18", "ENSG00000141510"),
        ("TP53|7157", "TP53"),
        ("2-Sep", "SEPTIN2"),
        ("ENSG00000141510", "TP53"),
        ("7157", "TP53"),
        ("TP53", "ENSG00000141510.5"),
        ("SEPT2", "SEPTIN2"),
        ("PVRL4", "NECTIN4"),
        ("NECTIN4", "PVRL4"),
    ],
)
def test_by_id_and_alias(there, wanted):
    found = genes.align(matrix([there]), [wanted])
    assert found.columns == ((0,),)
    assert found.renamed == {wanted: there}


def test_by_id_columns_of_either_side():
    wanted = ["ESR1_2099", "FOXA1_3169", "MLPH_79083"]
    ids = {"symbol": ["ESR1", "FOXA1", "MLPH"]}
    assert genes.align(matrix(["MLPH", "ESR1"]), wanted, ids=ids).columns == ((1,), (), (0,))
    probes = matrix(["p1", "p2", "p3"], gene_symbol=["MLPH", "ESR1", None], x=[1.0, 2, 3])
    assert genes.align(probes, wanted, ids=ids).columns == ((1,), (), (0,))


def test_identifiers_are_the_columns_that_name_genes():
    var = pd.DataFrame(
        {
            "symbol": ["A", "B", "C"],
            "EntrezGene.ID": [7157.0, 1956.0, np.nan],
            "n_cells": [7157, 1956, 1],
            "biotype": ["coding"] * 3,
        }
    )
    assert genes.identifiers(var) == {
        "symbol": ["A", "B", "C"],
        "EntrezGene.ID": ["7157", "1956", ""],
    }


def test_no_column_serves_two_genes():
    """NECTIN4 is there under its own name, so that its former name is not found a second time."""
    found = genes.align(matrix(["NECTIN4", "EGFR"]), ["NECTIN4", "PVRL4", "EGFR"])
    assert found.columns == ((0,), (), (1,))


def test_ambiguous_aliases_find_nothing():
    """OCT4 was the name of POU5F1 and of two of its pseudogenes."""
    assert genes.align(matrix(["POU5F1", "EGFR", "TP53"]), ["OCT4", "EGFR"]).columns[0] == ()


def test_the_primary_id_is_preferred_to_its_haplotype_copies():
    there = matrix(["ENSG00000206505", "ENSG00000206503", "ENSG00000141510"])
    assert genes.align(there, ["HLA-A", "TP53"]).columns == ((1,), (2,))


def test_numbered_genes_are_no_entrez_ids_of_each_other():
    there = matrix([f"gene_{i}" for i in range(5)])
    assert genes.align(there, ["gene_7", "gene_1"]).columns == ((), (1,))


def test_placeholders_are_nobodys_name(shared_data):
    """Where the right gene is absent, the other gene without a symbol is not taken for it."""
    tcga = ty.read(shared_data / "tcga_brca" / "tcga_brca.h5ad")
    trained, ids = list(tcga.var_names), genes.identifiers(tcga.var)
    at = trained.index("unknown_90288")
    assert genes.align(tcga, trained, ids=ids).columns[at] == (at,)
    other = tcga[:, [name != "unknown_90288" for name in trained]].copy()
    other.var["symbol"] = ["unknown" if s == "ESR1" else s for s in other.var["symbol"].astype(str)]
    found = genes.align(other, trained, ids=ids)
    assert found.columns[at] == ()
    assert sum(map(bool, found.columns)) == len(trained) - 1
    other.var_names = [f"probe_{i}" for i in range(other.n_vars)]
    assert genes.align(other, trained, ids=ids).columns[at] == ()


@pytest.mark.parametrize("name", ["NA", "NA.1", "---", "?", "nan-2", "Unknown_3", "n/a"])
def test_placeholders_count_only_in_a_matrix_of_the_same_layout(name):
    assert genes.align(matrix(["TP53", name]), [name, "TP53"]).columns == ((1,), (0,))
    assert genes.align(matrix(["TP53", name]), [name, "TP53", "EGFR"]).columns == ((), (0,), ())


def test_symbols_of_one_cohort_are_found_by_ensembl_ids_of_another(shared_data):
    tcga = ty.read(shared_data / "tcga_brca" / "tcga_brca.h5ad")
    airway = ty.read(shared_data / "airway_counts" / "airway_counts.h5ad")
    found = genes.align(airway, list(tcga.var_names), ids=genes.identifiers(tcga.var))
    assert sum(map(bool, found.columns)) > 5800  # of 6,000
    assert found.renamed["ESR1_2099"] == "ENSG00000091831"


def test_renaming_keeps_the_values_and_records_the_loss():
    adata = matrix(["TP53", "EGFR", "nonsense"])
    renamed = genes.rename(adata, to="entrez")
    assert list(renamed.var_names) == ["7157", "1956"]
    np.testing.assert_array_equal(renamed.X, adata.X[:, :2])
    assert list(adata.var_names) == ["TP53", "EGFR", "nonsense"]
    assert "dropped: 1 (nonsense)" in recorded(renamed)["gene_names"][1]
    cleaned = genes.rename(matrix(["2-Sep", "TP53|7157"]))
    assert list(cleaned.var_names) == ["SEPTIN2", "TP53"]
