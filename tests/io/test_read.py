"""What `read` understands of tables, and how it refuses."""

import gzip
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import tybalt_like as ty
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded

GENES = ["TP53", "GAPDH", "MYC", "KRAS", "BRCA1", "EGFR", "ACTB", "PTEN"]
SAMPLES = ["S001", "S002", "S003"]
X_NG = np.arange(24, dtype=np.float32).reshape(3, 8) / 4
FRAME = pd.DataFrame(X_NG, index=SAMPLES, columns=GENES)


@pytest.fixture
def write(tmp_path: Path):
    def writer(text: str | bytes, name: str = "matrix.tsv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return writer


def reading(adata) -> dict:
    return recorded(adata)["reading"]


def notes(adata) -> str:
    return "\n".join(reading(adata)["notes"])


@pytest.mark.parametrize("sep", ["\t", ",", ";", " "])
@pytest.mark.parametrize("genes_in", ["rows", "columns"])
@pytest.mark.parametrize("form", ["plain", "windows", "bom", "quoted", "utf16", "mac", "R"])
def test_every_spelling_of_a_table_reads_the_same(write, sep, genes_in, form) -> None:
    frame = FRAME.T if genes_in == "rows" else FRAME
    text = frame.to_csv(sep=sep, index_label="id", quoting=2 if form == "quoted" else 0)
    if form == "R":
        text = text.removeprefix(f"id{sep}")
    data = {
        "windows": text.replace("\n", "\r\n").encode(),
        "mac": text.replace("\n", "\r").encode(),
        "bom": text.encode("utf-8-sig"),
        "utf16": text.encode("utf-16"),
    }.get(form, text.encode())
    adata = ty.read(write(data))
    assert list(adata.obs_names) == SAMPLES
    assert list(adata.var_names) == GENES
    assert adata.X.dtype == np.float32
    np.testing.assert_array_equal(adata.X, X_NG)
    assert reading(adata)["genes_in"] == genes_in


def test_missing_cells_stay_missing_and_odd_numbers_are_read(write) -> None:
    text = "gene\tS1\tS2\tS3\nTP53\tNA\t\t1\nMYC\t+2.5\t 3\t1e-2\nKRAS\t-.5\tnull\t4.\n"
    adata = ty.read(write(text), genes_in="rows")
    expected = np.array([[np.nan, np.nan, 1], [2.5, 3, 0.01], [-0.5, np.nan, 4]], np.float32).T
    np.testing.assert_array_equal(adata.X, expected)


def test_text_columns_are_kept_beside_the_matrix(write) -> None:
    samples = FRAME.copy()
    samples.insert(0, "tissue", ["liver", "brain", None])
    adata = ty.read(write(samples.to_csv(sep="\t", index_label="sample")))
    assert adata.obs["tissue"].tolist()[:2] == ["liver", "brain"]
    assert adata.obs["tissue"].isna().tolist() == [False, False, True]
    genes = FRAME.T.rename_axis("Hugo_Symbol")
    genes.insert(0, "Entrez_Gene_Id", range(100, 108))
    adata = ty.read(write(genes.to_csv(sep="\t")))
    assert list(adata.var["Entrez_Gene_Id"]) == [str(i) for i in range(100, 108)]
    np.testing.assert_array_equal(adata.X, X_NG)
    assert "Entrez_Gene_Id" in notes(adata)


def test_chromosomes_are_no_numbers(write) -> None:
    text = "gene_id\tsymbol\tlocus\tchr\tS1\tS2\n"
    chromosomes = [*map(str, range(1, 23)), "X"]
    rows = [f"ENSG{i:011d}\tG{i}\tp1\t{c}\t1\t2" for i, c in enumerate(chromosomes)]
    adata = ty.read(write(text + "\n".join(rows)))
    assert list(adata.obs_names) == ["S1", "S2"]
    assert adata.var["chr"].tolist() == chromosomes


def test_text_in_an_annotation_of_numbers_is_refused(write) -> None:
    rows = ["a", *["b"] * 20, *map(str, range(30))]
    text = "gene\tS1\tS2\n" + "".join(f"g{i}\t{cell}\t1\n" for i, cell in enumerate(rows))
    with pytest.raises(DataError, match="row 'g0', column 'S1': 'a' is not a number like most"):
        ty.read(write(text), genes_in="rows")


def test_a_sample_table_in_memory_may_name_samples_anywhere(write) -> None:
    matrix = write(FRAME.to_csv(sep="\t", index_label="sample"))
    table = pd.DataFrame({"sample": SAMPLES, "batch": pd.Categorical(["a", "b", "a"])})
    assert ty.read(matrix, obs=table).obs["batch"].tolist() == ["a", "b", "a"]
    assert ty.read(matrix, obs=table.set_index("sample")).obs["batch"].tolist() == ["a", "b", "a"]


def test_cbioportal_rows_without_a_symbol_take_their_entrez_id(write) -> None:
    text = "Hugo_Symbol\tEntrez_Gene_Id\tTCGA-3C-AAAU-01\tTCGA-3C-AALI-01\n"
    adata = ty.read(write(text + "TP53\t7157\t1\t2\n\t84\t3\t4\n"))
    assert list(adata.var_names) == ["TP53", "entrez:84"]


def test_a_running_number_of_pandas_is_no_row_name(write) -> None:
    frame = FRAME.T.rename_axis("gene").reset_index()
    adata = ty.read(write(frame.to_csv()))
    assert list(adata.var_names) == GENES
    assert "taken from column 'gene'" in notes(adata)


def test_genes_without_a_name_are_left_out_and_samples_are_not(write) -> None:
    text = "\tS1\tS2\nTP53\t1\t2\nNA\t3\t4\n\t5\t6\nMYC\t7\t8\n"
    adata = ty.read(write(text), genes_in="rows")
    assert list(adata.var_names) == ["TP53", "MYC"]
    np.testing.assert_array_equal(adata.X, [[1, 7], [2, 8]])
    assert "genes without a name, left out: 2" in notes(adata)
    with pytest.raises(DataError, match="sample 2 has no name"):
        ty.read(write(text), genes_in="columns")


def test_separators_at_line_ends_and_blank_lines_do_no_harm(write) -> None:
    lines = FRAME.T.to_csv(sep="\t", index_label="gene").splitlines()
    adata = ty.read(write("\n\n".join(f"{line}\t" for line in lines) + "\n\n"))
    np.testing.assert_array_equal(adata.X, X_NG)


def test_names_in_latin_1_are_read(write) -> None:
    text = FRAME.rename(index={"S001": "Zoë"}).to_csv(sep="\t", index_label="sample")
    adata = ty.read(write(text.encode("latin-1")))
    assert adata.obs_names[0] == "Zoë"


def test_a_table_larger_than_a_block_is_whole(write) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(4000, 150)).round(4))
    frame.index = [f"ENSG{i:011d}" for i in range(4000)]
    frame.columns = [f"GSM{i}" for i in range(150)]
    path = write(gzip.compress(frame.to_csv(sep="\t", index_label="gene").encode()), "m.txt.gz")
    assert path.stat().st_size > 1 << 20
    adata = ty.read(path)
    np.testing.assert_array_equal(adata.X, frame.to_numpy(np.float32).T)
    assert adata.var_names[-1] == "ENSG00000003999"


def test_samples_tell_the_orientation_where_names_do_not(write) -> None:
    text = "\ta1\ta2\ta3\nb1\t1\t2\t3\nb2\t4\t5\t6\nb3\t7\t8\t9\n"
    path = write(text)
    with pytest.raises(DataError, match="not clear whether genes are in the rows"):
        ty.read(path)
    assert list(ty.read(path, genes_in="rows").obs_names) == ["a1", "a2", "a3"]
    table = pd.DataFrame({"sex": ["F", "M"]}, index=["b1", "b3"])
    adata = ty.read(path, obs=table)
    assert list(adata.obs_names) == ["b1", "b2", "b3"]
    assert adata.obs["sex"].isna().tolist() == [False, True, False]


def test_what_did_not_match_the_sample_table_is_counted_and_listed(write) -> None:
    matrix = write(FRAME.to_csv(sep="\t", index_label="sample"))
    table = write(
        "id,age,code,smoker\nS003,71,007,True\nX9,50,008,False\nS001,66.5,009,True\n", "c"
    )
    adata = ty.read(matrix, obs=table)
    assert adata.obs["age"].tolist()[::2] == [66.5, 71]
    assert adata.obs["code"].tolist()[::2] == ["009", "007"]
    assert reading(adata)["samples_without_row"] == ["S002"]
    assert reading(adata)["rows_without_sample"] == ["X9"]
    assert "2 of 3 samples found in column 'id'" in notes(adata)
    assert "samples without a row there: 1 (S002)" in notes(adata)


@pytest.mark.parametrize(
    ("matrix_id", "table_id", "characters"),
    [
        ("TCGA-3C-AAAU-01A-11R-A41B-07", "TCGA-3C-AAAU-01", 15),
        ("TCGA-3C-AAAU-01", "TCGA-3C-AAAU", 12),
        ("TCGA.3C.AAAU.01", "tcga-3c-aaau", 12),
        ("TCGA-3C-AAAU", "TCGA-3C-AAAU", None),
    ],
)
def test_tcga_barcodes_match_by_sample_or_patient(write, matrix_id, table_id, characters) -> None:
    frame = FRAME.rename(index={"S001": matrix_id})
    table = pd.DataFrame({"patient": [table_id], "stage": ["II"]})
    adata = ty.read(write(frame.to_csv(sep="\t", index_label="sample")), obs=table)
    assert adata.obs.loc[matrix_id, "stage"] == "II"
    how = f"the first {characters} characters" if characters else "whole ids"
    assert how in notes(adata)


def test_a_sample_table_may_lie_on_its_side_and_hold_comments_and_quotes(write) -> None:
    matrix = write(FRAME.to_csv(sep="\t", index_label="sample"))
    adata = ty.read(matrix, obs=write("attrib_name\tS002\tS001\nstage\tII\tI\n", "side.tsi"))
    assert adata.obs["stage"].tolist()[:2] == ["I", "II"]
    portal = '#Patient\tNotes\n#STRING\tSTRING\nPATIENT_ID\tNOTES\nS001\t"two\nlines"\n'
    adata = ty.read(matrix, obs=write(portal, "portal.txt"))
    assert adata.obs["NOTES"].iloc[0] == "two lines"


def test_a_sample_table_may_be_a_workbook(write, tmp_path) -> None:
    pytest.importorskip("openpyxl")
    table = pd.DataFrame({"sample": SAMPLES, "age": [50, 60, None]})
    table.to_excel(tmp_path / "clinical.xlsx", index=False)
    matrix = write(FRAME.to_csv(sep="\t", index_label="sample"))
    adata = ty.read(matrix, obs=tmp_path / "clinical.xlsx")
    assert adata.obs["age"].tolist()[:2] == [50, 60]


BAD = {
    "empty": ("", "the file is empty"),
    "only a header": ("gene\tS1\tS2\n", "no rows below the header"),
    "only names": ("gene\nTP53\nMYC\n", "one name per column"),
    "ragged": (
        "gene\tS1\tS2\nTP53\t1\t2\nMYC\t1\n",
        r"line 3 \(row 'MYC'\) has 2 fields where the header has 3",
    ),
    "ragged both ways": ("gene\tS1\tS2\nTP53\t1\t2\nMYC\t1\nKRAS\t1\t2\t3\n", "line 3"),
    "text": (
        "gene\tS1\tS2\nTP53\t1\t2\nMYC\t1\toops\n",
        "line 3, row 'MYC', column 'S2': 'oops' is not a number",
    ),
    "text above numbers": ("gene\tS1\tS2\nTP53\t1\toops\nMYC\t1\t2\nMYC2\t1\t2\n", "'oops'"),
    "a decimal comma": (
        "gene\tS1\tS2\nTP53\t1,5\t2.5\n",
        "line 2, row 'TP53', column 'S1': '1,5' is not a number; write decimals",
    ),
    "a decimal point": (
        "gene\tS1\tS2\nTP53\t1,5\t2,5\nMYC\t0,5\t2.5\n",
        "line 3, row 'MYC', column 'S2': '2.5' is not a number, for the file has numbers with "
        "decimal commas",
    ),
    "decimal commas or thousands": ("gene\tS1\tS2\nTP53\t1,500\t2,500\n", "1500 or 1.500"),
    "decimal commas in csv": ("gene,S1,S2\nTP53,1,5,2,5\n", "3 fields and the first row 5"),
    "one sample, decimal comma": ("gene,S1\nTP53,1,5\n", "2 fields and the first row 3"),
    "and no corner": ("symb,S1\nTP53,1,5\n", "decimal commas need another separator"),
    "no header": ("TP53\t1.5\t2\nMYC\t3\t4\n", "the first line holds numbers"),
    "no header, counts": ("TP53\t15\t2\nMYC\t3\t4\n", "the first line holds numbers"),
    "text column twice": ("gene\tx\tx\tS1\nTP53\ta\tb\t1\n", "column 'x' occurs twice"),
    "infinite": ("gene\tS1\tS2\nTP53\t1\t2\nMYC\t1\tinf\n", "sample 'S2', gene 'MYC'.*infinite"),
    "too large": ("gene\tS1\tS2\nTP53\t1\t2\nMYC\t1\t1e60\n", "sample 'S2', gene 'MYC'.*too large"),
    "repeated samples": ("gene\tS1\tS1\nTP53\t1\t2\n", "sample 'S1' occurs twice"),
    "unnamed sample": ("gene\tS1\t\tS3\nTP53\t1\t2\t3\n", "column 2 of the matrix has no name"),
    "header too short": ("gene\tS1\tS2\nTP53\t1\t2\t3\n", "3 fields and the first row 4"),
    "separator only below": ("S1\tS2\nTP53\t1\t\nMYC\t2\t\n", "ends with a tab that the header"),
    "all text": ("gene\tS1\nTP53\tlow\nMYC\thigh\n", "no column holds numbers"),
    "binary": (b"\x00\x01\x02\x03" * 99, "not text, and no known binary format"),
    "workbook": (b"PK\x03\x04" + b"\0" * 99, "Excel workbook"),
    "web page": ("<!DOCTYPE html>\n<p>404\n", "web page"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_refused_in_one_sentence(write, case) -> None:
    text, message = BAD[case]
    path = write(text)
    with pytest.raises(DataError, match=message) as refusal:
        ty.read(path, genes_in="rows")
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_no_file_no_folder_no_option(tmp_path) -> None:
    with pytest.raises(DataError, match="no such file"):
        ty.read(tmp_path / "nothing.tsv")
    with pytest.raises(DataError, match="folder is empty"):
        ty.read(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match="holds no known format"):
        ty.read(tmp_path)
    with pytest.raises(DataError, match="genes_in is 'up'"):
        ty.read(tmp_path, genes_in="up")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("id\tage\nA\t1\nB\t2\n", "no sample of the matrix is in this table"),
        ("id\tage\nS001\t1\nS001\t2\n", "sample 'S001' has 2 rows"),
        ("id\tage\tage\nS001\t1\t2\n", "column 'age' occurs 2 times"),
        ("id\tage\nS001\t1\t2\t3\n", "row 1 .'S001'. has 4 fields"),
        ("id\tage\n", "no rows below its header"),
        ("", "the file is empty"),
    ],
)
def test_bad_sample_tables_are_refused(write, table, message) -> None:
    matrix = write(FRAME.to_csv(sep="\t", index_label="sample"))
    with pytest.raises(DataError, match=message):
        ty.read(matrix, obs=write(table, "clinical.tsv"))


def test_a_damaged_archive_is_refused(write) -> None:
    whole = gzip.compress(FRAME.to_csv(sep="\t", index_label="sample").encode())
    with pytest.raises(DataError, match="gzip data are damaged or end early"):
        ty.read(write(whole[:-20], "m.tsv.gz"))


def test_standard_input(monkeypatch) -> None:
    text = FRAME.to_csv(sep="\t", index_label="sample").encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(gzip.compress(text))))
    adata = ty.read("-")
    np.testing.assert_array_equal(adata.X, X_NG)
    assert reading(adata)["source"] == "standard input"
