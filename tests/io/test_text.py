"""Text as people have it: line breaks in cells, titles, decimal commas, marks of missing values."""

import csv
import io
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import tybalt_like as ty
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded

CASES = Path(__file__).parent / "cases"
GENES = ["TP53", "GAPDH", "MYC", "KRAS", "BRCA1", "EGFR", "ACTB", "PTEN", "A1BG", "A2M"]
SAMPLES = [f"S{i}" for i in range(5)]
X_GN = np.random.default_rng(0).gamma(4, 2, (10, 5)).round(4)
FRAME = pd.DataFrame(X_GN, index=GENES, columns=SAMPLES)


def notes(adata) -> str:
    return "\n".join(recorded(adata)["reading"]["notes"])


@pytest.fixture
def write(tmp_path: Path):
    def writer(text: str | bytes, name: str = "matrix.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return writer


# Line breaks ----------------------------------------------------------------------------------


def test_line_breaks_within_quotes_belong_to_the_cell() -> None:
    path = CASES / "quoted_line_breaks.csv"
    frame = pd.read_csv(path, index_col=0)
    assert frame["description"].str.contains("\n").all()
    adata = ty.read(path)
    assert adata.var["description"].tolist() == [
        text.replace("\n", " ") for text in frame.pop("description")
    ]
    np.testing.assert_array_equal(adata.X, frame.T)


def test_line_breaks_in_fields_of_a_series_matrix() -> None:
    raw = (CASES / "geo_series_matrix.txt").read_bytes()
    assert b"\r" in raw
    adata = ty.read(CASES / "geo_series_matrix.txt")
    assert adata.shape == (12, 30)
    assert adata.obs["data_processing"].str.startswith("probe group file").all()
    assert not adata.obs["data_processing"].str.contains(r"[\r\n]").any()


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("sep", ",\t;")
def test_line_breaks_at_the_edge_of_a_block(write, ending: str, sep: str) -> None:
    """Cells of several lines, quotes and separators, over more than one block of a file."""
    n = 6000
    x_gn = np.random.default_rng(1).gamma(4, 2, (n, 50)).round(4)
    file = io.StringIO()
    writer = csv.writer(file, delimiter=sep, lineterminator=ending)
    writer.writerow(["gene", "description", *(f"S{i}" for i in range(50))])
    for i, row in enumerate(x_gn):
        writer.writerow([f"ENSG{i:011d}", f'says "a{sep} b",\n\nthen {i}', *row])
    path = write(file.getvalue(), "m.csv")
    adata = ty.read(path)
    np.testing.assert_array_equal(adata.X, x_gn.T.astype(np.float32))
    assert adata.var["description"].iloc[-1] == f'says "a{sep} b",  then {n - 1}'.replace("\t", " ")
    text = file.getvalue()
    at = text.rindex(f"then {n - 7}")
    wrong = text[:at] + text[at:].replace(f"{sep}{x_gn[n - 7, 0]}", f"{sep}oops", 1)
    line = wrong[: wrong.index("oops")].count("\n") - 1  # that of the row's name
    with pytest.raises(DataError, match=f"line {line}, row .*column 'S0': 'oops'"):
        ty.read(write(wrong, "m.csv"))


def test_quotes_that_are_no_quotes(write) -> None:
    described = FRAME.copy()
    described.insert(0, "description", ['5" end', 'a "word" b', '"half', "x"] * 2 + ["y", "z"])
    text = described.to_csv(sep="\t", index_label="gene", quoting=csv.QUOTE_NONE)
    adata = ty.read(write(text))
    assert adata.var["description"].tolist()[:3] == ['5" end', 'a "word" b', '"half']
    np.testing.assert_array_equal(adata.X, X_GN.T.astype(np.float32))
    swallowing = text.replace("\tz\t", '\tz"\t')
    with pytest.raises(DataError, match=r"row 'ACTB'.: whole lines stand within quotes"):
        ty.read(write(swallowing))


def test_a_sample_table_with_line_breaks_below_a_title(write) -> None:
    rows = "".join(f'{sample},"two\nlines, {i}",{i}\n' for i, sample in enumerate(SAMPLES))
    table = write(f"Clinical data of the project\n\nsample,note,age\n{rows}", "clinical.csv")
    adata = ty.read(write(FRAME.to_csv(sep="\t", index_label="gene")), obs=table)
    assert adata.obs["note"].tolist() == [f"two lines, {i}" for i in range(5)]
    assert adata.obs["age"].tolist() == list(range(5))


def test_decimal_commas_of_a_sample_table(write) -> None:
    rows = "".join(f"{sample};{40 + i},5;1,2\n" for i, sample in enumerate(SAMPLES[:-1]))
    table = write(f"sample;age;sites\n{rows}S4;;1,2,3\n", "clinical.csv")
    adata = ty.read(write(FRAME.to_csv(sep="\t", index_label="gene")), obs=table)
    assert adata.obs["age"].tolist()[:4] == [40.5, 41.5, 42.5, 43.5]
    assert adata.obs["sites"].tolist() == ["1,2"] * 4 + ["1,2,3"]


# Titles ---------------------------------------------------------------------------------------


def test_a_title_above_the_header_is_left_out_and_said() -> None:
    frame = pd.read_csv(CASES / "title_line.txt", sep="\t", skiprows=2, index_col=0)
    adata = ty.read(CASES / "title_line.txt")
    np.testing.assert_array_equal(adata.X, frame.T)
    assert "lines above the header, left out: 1 ('Normalised expression, " in notes(adata)


TITLES = {
    "one": "Normalised expression\n",
    "several": "Project X\nDate: 2021-03-04\nUnits: log2(x + 1), see the paper\n\n",
    "with separators": "Project{sep}X\nBy{sep}me\n\n",
    "padded by a spreadsheet": "Normalised expression{pad}\n{pad}\n",
    "quoted": '"Table S1, of genes"\n',
    "and a comment": "Title\n# made by hand\n",
}


@pytest.mark.parametrize("sep", "\t,;")
@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("form", ["genes in rows", "samples in rows", "R", "one sample"])
def test_titles_of_many_kinds(write, title: str, sep: str, form: str) -> None:
    frame = FRAME.T if form == "samples in rows" else FRAME
    if form == "one sample":
        frame = FRAME[["S0"]]
        if "{sep}" in TITLES[title] or (sep == "," and "," in TITLES[title]):
            pytest.skip("as wide as the table")
    text = frame.to_csv(sep=sep, index_label="sample" if form == "samples in rows" else "gene")
    if form == "R":
        text = text.partition(sep)[2]
    above = TITLES[title].format(sep=sep, pad=sep * (text.count(sep, 0, text.index("\n"))))
    adata = ty.read(write(above + text))
    expected = FRAME[list(adata.obs_names)].T
    assert list(adata.var_names) == GENES
    np.testing.assert_array_equal(adata.X, expected.astype(np.float32))
    assert "above the header" in notes(adata)


# Numbers --------------------------------------------------------------------------------------


def test_decimal_commas_are_read_and_said() -> None:
    frame = pd.read_csv(CASES / "decimal_comma.csv", sep=";", decimal=",", index_col=0)
    adata = ty.read(CASES / "decimal_comma.csv")
    np.testing.assert_array_equal(adata.X, frame.T.astype(np.float32))
    assert "numbers with decimal commas" in notes(adata)


def german(x: float) -> str:
    return f"{x:,.2f}".translate(str.maketrans(",.", ".,"))


NUMBERS = {
    "decimal commas, tab": ("\t", lambda x: f"{x:.4f}".replace(".", ",")),
    "decimal commas, semicolon": (";", lambda x: f"{x:g}".replace(".", ",")),
    "decimal commas, quoted": (",", lambda x: f'"{x:g}"'.replace(".", ",")),
    "exponents": (";", lambda x: f"{x:.3E}".replace(".", ",")),
    "decimal commas, points between thousands": (";", german),
    "commas between thousands": ("\t", lambda x: f"{x:,.1f}"),
    "commas between thousands, quoted": (",", lambda x: f'"{x:,.1f}"'),
    "counts with commas between thousands": (
        ",",
        lambda x: f'"{int(x) // 4:,}"' if x >= 4000 else str(int(x) // 4),
    ),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_as_the_world_writes_them(write, kind: str) -> None:
    sep, written = NUMBERS[kind]
    x_gn = (X_GN - (9 if "thousands" not in kind else 0)) * (1 if "thousands" not in kind else 500)
    rows = [sep.join([gene, *map(written, x_n)]) for gene, x_n in zip(GENES, x_gn, strict=True)]
    adata = ty.read(write("\n".join([sep.join(["gene", *SAMPLES]), *rows, ""])))
    expected = x_gn // 4 if "counts" in kind else x_gn
    np.testing.assert_allclose(adata.X.T, expected, rtol=1e-3, atol=0.051 if "thou" in kind else 0)
    assert adata.X.shape == (5, 10)


@pytest.mark.parametrize("mark", ["-", ".", "?", "NA", "n/a", "na", "None", "null", "missing"])
@pytest.mark.parametrize("more", ["#N/A", "#DIV/0!", "#VALUE!", "NaN", ""])
@pytest.mark.parametrize("genes_in", ["rows", "columns"])
def test_marks_of_missing_values_are_counted_and_change_nothing_else(
    write, mark: str, more: str, genes_in: str
) -> None:
    frame = FRAME.astype(object)
    frame.iloc[0, 0], frame.iloc[4, 2] = more, more
    frame["S3"], frame.iloc[2] = mark, mark
    missing = frame.isin([mark, more]).to_numpy()
    frame = frame if genes_in == "rows" else frame.T
    adata = ty.read(write(frame.to_csv(sep="\t", index_label=None)))
    assert (list(adata.obs_names), list(adata.var_names)) == (SAMPLES, GENES)
    np.testing.assert_array_equal(adata.X.T, np.where(missing, np.nan, X_GN).astype(np.float32))
    assert f"missing values: 16 (14 {mark}, 2 {more or 'empty'})" in notes(adata)
    assert recorded(adata)["reading"]["genes_in"] == genes_in


@pytest.mark.parametrize("name", ["missing_excel", "missing_nan"])
def test_missing_values_of_spreadsheets_and_of_programs(name: str) -> None:
    frame = pd.read_csv(CASES / f"{name}.tsv", sep="\t", index_col=0)
    adata = ty.read(CASES / f"{name}.tsv")
    np.testing.assert_array_equal(adata.X, frame.T.astype(np.float32))
    mark = "#N/A" if name == "missing_excel" else "nan"
    n = int(frame.isna().sum().sum())
    assert n > 0
    assert f"missing values: {n} ({n} {mark})" in notes(adata)


@pytest.mark.parametrize("mark", ["ND", "<0.1", "n.d.", "low", "1.2 FPKM"])
def test_other_marks_are_refused_where_they_stand(write, mark: str) -> None:
    frame = FRAME.astype(object)
    frame.loc["MYC", "S2"] = mark
    with pytest.raises(DataError, match=f"line 4, row 'MYC', column 'S2': '{mark}' is not a num"):
        ty.read(write(frame.to_csv(sep="\t", index_label="gene")))


def test_a_strand_is_no_missing_value(write) -> None:
    frame = FRAME.copy()
    frame.insert(0, "strand", list("-+") * 5)
    frame.insert(1, "note", ["None", "x"] * 5)
    adata = ty.read(write(frame.to_csv(sep="\t", index_label="gene")))
    assert adata.var["strand"].tolist() == list("-+") * 5
    assert adata.var["note"].tolist() == ["None", "x"] * 5


# Formats --------------------------------------------------------------------------------------


def test_gct_of_the_gtex_portal() -> None:
    frame = pd.read_csv(CASES / "gtex_portal.gct", sep="\t", skiprows=2, index_col="Name")
    adata = ty.read(CASES / "gtex_portal.gct")
    assert list(adata.var_names) == list(frame.index)
    assert adata.var["Description"].tolist() == frame["Description"].tolist()
    np.testing.assert_array_equal(adata.X, frame.iloc[:, 2:].T.astype(np.float32))


def test_gctx_reads_as_the_gct_that_it_was_made_from(shared_data: Path, tmp_path: Path) -> None:
    """In the layout that cmapPy writes; its own writer gave the same for this file."""
    gct = ty.read(shared_data / "l1000_a375" / "LJP005_A375_24H_X1_n377x978.gct.gz")
    x_ng = np.asarray(gct.X).copy()
    x_ng[3, 5] = -666
    with h5py.File(tmp_path / "m.gctx", "w") as file:
        file.attrs["version"] = "GCTX1.0"
        file["0/DATA/0/matrix"] = x_ng
        for group, names, frame in (
            ("COL", gct.obs_names, gct.obs),
            ("ROW", gct.var_names, gct.var),
        ):
            file[f"0/META/{group}/id"] = np.array(names, "S")
            for column in frame:
                cells = frame[column].astype(object).where(frame[column].notna(), "-666")
                numbers = pd.api.types.is_numeric_dtype(frame[column])
                file[f"0/META/{group}/{column}"] = (
                    frame[column].fillna(-666).to_numpy()
                    if numbers
                    else np.array([str(cell).encode() for cell in cells])
                )
    adata = ty.read(tmp_path / "m.gctx")
    assert np.isnan(adata.X[3, 5])
    assert "missing values written as -666: 1" in notes(adata)
    adata.X[3, 5] = gct.X[3, 5]
    np.testing.assert_array_equal(adata.X, gct.X)
    pd.testing.assert_frame_equal(adata.obs[gct.obs.columns].astype(str), gct.obs.astype(str))
    pd.testing.assert_frame_equal(adata.var[gct.var.columns].astype(str), gct.var.astype(str))


# What it is instead ---------------------------------------------------------------------------

NO_MATRIX = {
    "##fileformat=VCFv4.2\n#CHROM\tPOS\n1\t5\n": "a VCF of variants",
    "@r1\nACGT\n+\nIIII\n": "a file of reads .FASTQ.; count the reads first",
    ">chr1\nACGTNN\n": "a file of sequences",
    "@HD\tVN:1.6\nr1\t0\t1\n": "a file of alignments",
    '1\tx\tgene\t1\t2\t.\t+\t.\tgene_id "A";\n': "an annotation .GTF or GFF.; it can be",
    "Gene ID\tGene Name\tReference\tStrand\tTPM\nA\tB\t1\t+\t5\n": "StringTie's table of one",
    "^SERIES = GSE1\n!x = y\n": "GEO's SOFT format",
    '{"a": [1, 2]}\n': "JSON",
    "Hugo_Symbol\tTumor_Sample_Barcode\nTP53\tA\n": "a MAF of mutations",
    "gene,baseMean,log2FoldChange,padj\nA,1,2,0.1\n": "results of a comparison of groups .baseMean",
    "gene\tS1\tS2\nA\t1\t2\n\nSource: me\n": "line 4 .*if it is a note below the table, remove it",
    "gene\tS1\tS2\nA\t1\t2\ngene\tS1\tS2\nB\t1\t2\n": "line 3 is the header again",
    "gene\tS1\tS2\nclass\tx\ty\nA\t1\t2\n": "line 2, row 'class' holds texts .*a sample table",
    "gene\tS1\tS2\nA\t5%\t6%\n": "no column holds numbers; row 'A' begins '5%', '6%'",
    "gene|S1|S2\nA|1|2\n": "one column only",
    "gene   S1   S2\nA   1   2\n": "several blanks between fields",
}


@pytest.mark.parametrize("text", NO_MATRIX)
def test_what_is_no_matrix_is_called_by_its_name(write, text: str) -> None:
    with pytest.raises(DataError, match=NO_MATRIX[text]):
        ty.read(write(text), genes_in="rows")


def test_a_folder_says_what_to_name_instead(tmp_path: Path, write) -> None:
    (tmp_path / "top" / "outs" / "inside").mkdir(parents=True)
    for i in range(2):
        counts = tmp_path / "top" / "outs" / "inside" / f"S{i}.counts"
        counts.write_text("TP53\t5\nMYC\t6\nKRAS\t7\n")
    with pytest.raises(DataError, match=r"name what is in it: .*outs"):
        ty.read(tmp_path / "top")
    matrix = write(FRAME.to_csv(sep="\t", index_label="gene"), "m.tsv")
    with pytest.raises(DataError, match="the sample table is the matrix itself"):
        ty.read(matrix, obs=matrix)
