"""Gene names survive what files and spreadsheets do to them."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tybalt_like import genes
from tybalt_like.core.errors import DataError

TABLE = Path(__file__).parents[2] / "data" / "genes" / "human_genes.tsv.gz"


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("ENSG00000141510.18", "ENSG00000141510"),
        ("ENSMUSG00000059552.14", "ENSMUSG00000059552"),
        ("ENSG00000182378.14_PAR_Y", "ENSG00000182378_PAR_Y"),
        ("ENST00000269305.9", "ENST00000269305"),
        ("RP11-34P13.7", "RP11-34P13.7"),
        ("A1BG|1", "A1BG"),
        ("?|100130426", "100130426"),
        (' "TP53" ', "TP53"),
        ("2-Sep", "SEPTIN2"),
        ("02-Sep", "SEPTIN2"),
        ("Sep-02", "SEPTIN2"),
        ("Sept-02", "SEPTIN2"),
        ("2023-09-02", "SEPTIN2"),
        ("2001-03-10 00:00:00", "MARCHF10"),
        ("15-Sep", "SELENOF"),
        ("1-Dec", "DELEC1"),
        ("1-Mar", "MARCHF1"),
        ("13-Sep", "13-Sep"),
        ("1-Jan", "1-Jan"),
        ("1007_s_at", "1007_s_at"),
        ("HLA-A", "HLA-A"),
    ],
)
def test_one_name(name, clean):
    cleaned = genes.clean([name])
    assert cleaned.names == (clean,)
    assert bool(cleaned.notes) == (name != clean and not name.endswith("-Jan"))


def test_a_symbol_that_stands_for_two_genes_becomes_their_entrez_ids():
    assert genes.clean(["SLC35E2|9906", "SLC35E2|728661", "TP53|7157"]).names == (
        "9906",
        "728661",
        "TP53",
    )


@pytest.mark.parametrize(
    ("names", "repaired"),
    [
        (["1-Mar", "MARC1"], "MARCHF1"),
        (["1-Mar", "MARCHF1"], "MTARC1"),
        (["1-Mar", "1-Mar"], "1-Mar"),
        (["1-Mar", "MARCH1", "MTARC1"], "1-Mar"),
    ],
)
def test_the_first_of_march_is_repaired_only_where_it_is_clear(names, repaired):
    cleaned = genes.clean(names)
    assert cleaned.names[0] == repaired
    assert any("left: 1-Mar" in note for note in cleaned.notes) == (repaired == "1-Mar")


def test_what_was_changed_is_told():
    notes = "\n".join(genes.clean(["2-Sep", "ENSG00000141510.18", "TP53"]).notes)
    assert "damaged by a spreadsheet, repaired: 1 (2-Sep -> SEPTIN2)" in notes
    assert "version suffixes of Ensembl ids, removed: 1" in notes


def every_symbol() -> list[str]:
    with gzip.open(TABLE, "rt") as file:
        return [line.split("\t")[0] for line in file][1:]


def test_names_of_today_are_left_alone():
    assert genes.clean(every_symbol()) == genes.Cleaned(tuple(every_symbol()), ())


@given(st.lists(st.text(max_size=12)))
def test_any_text_is_cleaned_without_error(names):
    assert len(genes.clean(names).names) == len(names)


def test_every_gene_maps_to_its_other_names_and_back():
    symbols = every_symbol()
    entrez = genes.convert(symbols, to="entrez")
    assert entrez.kind == "symbol"
    assert None not in entrez.names
    assert genes.convert(list(entrez.names), to="symbol").names == tuple(symbols)


def test_mapping_tells_every_loss():
    names = ["TP53", "PVRL4", "SEPT2", "ERBB2", "EGFR", "nonsense", "DUX4", "ENSG00000141510"]
    mapped = genes.convert(names, to="ensembl")
    assert mapped.kind == "symbol"
    assert mapped.names[0] == "ENSG00000141510"
    assert mapped.names[2] == "ENSG00000168385", "SEPT2 is SEPTIN2; SEPTIN6 was so called too"
    assert mapped.names[5] is mapped.names[7] is None
    notes = "\n".join(mapped.notes)
    assert "mapped through an alias: 2 (PVRL4 -> ENSG00000143217, SEPT2" in notes
    assert "not known as symbol, dropped: 2 (nonsense, ENSG00000141510)" in notes


def test_names_of_other_species_are_not_mapped():
    with pytest.raises(DataError, match="b0001, b0002"):
        genes.convert(["b0001", "b0002", "b0003"], to="symbol")
