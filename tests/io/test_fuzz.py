"""Any bytes: a clear error or a right matrix, never another exception or a wrong number."""

import bz2
import gzip
import io
import lzma
import string
import tempfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_formats import WRITERS

import tybalt_like as ty
from tybalt_like.core.errors import DataError

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
PACK = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
}
number = st.one_of(
    st.floats(-(2.0**100), 2.0**100, width=32),
    st.integers(-(2**24), 2**24),
    st.sampled_from([0.5, -0.25]),
)
cell = st.one_of(number, st.none())


@st.composite
def tables(draw, *, cells=cell):
    """Names of rows, names of columns, values with None for missing."""
    n_rows, n_columns = draw(st.integers(2, 6)), draw(st.integers(2, 6))
    letters = st.text(string.ascii_letters, min_size=3, max_size=5)
    unique = st.lists(letters, min_size=n_rows + n_columns, max_size=n_rows + n_columns)
    names = [f"{name}{i}" for i, name in enumerate(draw(unique))]
    row = st.lists(cells, min_size=n_columns, max_size=n_columns)
    values = draw(st.lists(row, min_size=n_rows, max_size=n_rows))
    return names[:n_rows], names[n_rows:], values


def lines_of(table, *, sep="\t", missing="", corner="id") -> list[str]:
    rows, columns, values = table
    shown = [["" if v is None else repr(v) for v in row] for row in values]
    shown = [[text or missing for text in row] for row in shown]
    body = [sep.join([name, *row]) for name, row in zip(rows, shown, strict=True)]
    return [sep.join([corner, *columns]), *body]


def expected(table) -> np.ndarray:
    return np.array([[np.nan if v is None else v for v in row] for row in table[2]], np.float32)


def assert_right(adata, table) -> None:
    rows, columns, _ = table
    assert (list(adata.obs_names), list(adata.var_names)) == (rows, columns)
    np.testing.assert_array_equal(adata.X, expected(table))


@FUZZ
@given(
    table=tables(),
    sep=st.sampled_from("\t,; "),
    missing=st.sampled_from(["NA", "NaN", "", "null"]),
    pack=st.sampled_from(sorted(PACK)),
    ending=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
    quoted=st.booleans(),
)
def test_right_tables_are_read_right(
    tmp_path: Path, table, sep, missing, pack, ending, last, quoted
) -> None:
    lines = lines_of(table, sep=sep, missing=missing)
    if quoted:
        lines = [sep.join(f'"{text}"' for text in line.split(sep)) for line in lines]
    text = ending.join(lines) + ending * last
    path = tmp_path / "matrix.txt"
    path.write_bytes(PACK[pack](text.encode()))
    assert_right(ty.read(path, genes_in="columns"), table)


DEFECTS = ["cell lost", "cell added", "text", "decimal comma", "infinite", "underscore"]
DEFECTS += ["comma", "semicolon", "space"]


def damage(lines: list[str], how: str, row: int, column: int) -> list[str]:
    """One defect in a row; -1 counts from the end."""
    cells = lines[row].split("\t")
    column = 1 + column % (len(cells) - 1)
    if how == "cell lost":
        del cells[column]
    elif how == "cell added":
        cells.insert(column, "7")
    elif how == "text":
        cells[column] = "oops"
    elif how == "decimal comma":
        cells[column] = "1,5"
    elif how == "infinite":
        cells[column] = "-inf"
    elif how == "underscore":
        cells[column] = "1_0"
    separator = {"comma": ",", "semicolon": ";", "space": " "}.get(how, "\t")
    return [*lines[:row], separator.join(cells), *lines[row + 1 :]]


@FUZZ
@given(
    table=tables(cells=number),
    how=st.sampled_from(DEFECTS),
    row=st.integers(2, 6),
    column=st.integers(0, 5),
)
def test_one_defect_is_refused_by_name(tmp_path: Path, table, how, row, column) -> None:
    table[2][0][0] = 0.5  # the file has decimal points
    lines = lines_of(table)
    row = min(row, len(lines) - 1)
    path = tmp_path / "matrix.tsv"
    path.write_text("\n".join(damage(lines, how, row, column)))
    with pytest.raises(DataError) as refusal:
        ty.read(path, genes_in="columns")
    assert "\n" not in str(refusal.value)
    assert lines[row].split("\t")[0] in str(refusal.value)


@FUZZ
@given(table=tables(), pack=st.sampled_from(sorted(PACK.keys() - {"plain"})), data=st.data())
def test_damaged_archives_are_refused(tmp_path: Path, table, pack, data) -> None:
    whole = PACK[pack]("\n".join(lines_of(table)).encode())
    cut = data.draw(st.integers(7, len(whole) - 1))
    path = tmp_path / "matrix.tsv.gz"
    path.write_bytes(whole[:cut])
    with pytest.raises(DataError):
        ty.read(path, genes_in="columns")


@FUZZ
@given(table=tables(), column=st.integers(0, 5), header=st.booleans())
def test_an_empty_column_is_missing_values_or_refused(
    tmp_path: Path, table, column, header
) -> None:
    rows, columns, values = table
    column = column % len(columns)
    for row in values:
        row[column] = None
    lines = lines_of(table)
    if header:
        lines[0] = lines[0].replace(columns[column], "")
    path = tmp_path / "matrix.tsv"
    path.write_text("\n".join(lines))
    if header and column < len(columns) - 1:
        with pytest.raises(DataError, match="has no name"):
            ty.read(path, genes_in="columns")
        return
    last = len(columns) - header
    kept = rows, columns[:last], [row[:last] for row in values]
    assert_right(ty.read(path, genes_in="columns"), kept)


STARTS = [b"", b"id\tS1\tS2\n", b"\xef\xbb\xbfid,a\n", b"\xff\xfe", b"%%MatrixMarket\n", b"#1.3\n"]
STARTS += [b"#1.2\n1\t2\n", b'!Series_title\t"x"\n', b"N_unmapped\t1\t1\t1\n", b"PAR1"]
STARTS += [b"gene_id\ttranscript_id(s)\t", b"Geneid\tChr\tStart\tEnd\tStrand\tLength\ta.bam\n"]
STARTS += [b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\x89HDF\r\n\x1a\n"]


@FUZZ
@given(
    start=st.sampled_from(STARTS),
    rest=st.one_of(st.binary(max_size=200), st.text('ab\t\n,;" 01.eE-+#!éNA', max_size=200)),
)
def test_any_bytes_never_raise_anything_else(tmp_path: Path, start, rest) -> None:
    path = tmp_path / "anything"
    path.write_bytes(start + (rest.encode() if isinstance(rest, str) else rest))
    try:
        adata = ty.read(path)
    except DataError as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017 - a right matrix is as good
    else:
        assert 0 not in adata.shape


@FUZZ
@given(case=st.sampled_from(sorted(WRITERS)), data=st.data())
def test_damage_to_any_format_never_raises_anything_else(case: str, data) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = WRITERS[case](Path(folder))
        files = sorted(path for path in (whole, *whole.rglob("*")) if path.is_file())
        file = data.draw(st.sampled_from(files))
        content = bytearray(file.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.sampled_from([0, 1, 1 << 20]))] = data.draw(
            st.binary(max_size=2)
        )
        file.write_bytes(content)
        try:
            adata = ty.read(whole)
        except DataError as refusal:
            assert "\n" not in str(refusal)  # noqa: PT017 - a right matrix is as good
        else:
            assert 0 not in adata.shape


def test_row_pointers_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.h5ad"
    anndata.AnnData(scipy.sparse.eye(6, format="csc", dtype=np.float32)).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        pointers = file["X/indptr"][:]
        pointers[2], pointers[-1] = 50_000_000, 0
        file["X/indptr"][:] = pointers
    with pytest.raises(DataError, match=r"damaged\.h5ad: the sparse matrix is damaged"):
        ty.read(path)


@pytest.mark.slow
def test_a_header_of_a_million_columns(tmp_path: Path) -> None:
    n = 1_000_000
    text = io.StringIO()
    text.write("id\t" + "\t".join(f"g{i}" for i in range(n)) + "\n")
    for name in "ab":
        text.write(f"{name}\t" + "\t".join(str(i % 7) for i in range(n)) + "\n")
    path = tmp_path / "wide.tsv"
    path.write_text(text.getvalue())
    adata = ty.read(path)
    assert adata.shape == (2, n)
    np.testing.assert_array_equal(adata.X[1], np.arange(n) % 7)
    path.write_text(text.getvalue() + "c\t1\t2\n")
    with pytest.raises(DataError, match=r"line 4 \(row 'c'\) has 3 fields"):
        ty.read(path)
