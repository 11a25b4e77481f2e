"""Files that would end the process, fill the memory or lead elsewhere are refused beforehand."""

import bz2
import gzip
import io
import json
import os
import shutil
import threading
import warnings
import zipfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse
from scipy.io import mmwrite

import tybalt_like as ty
from tybalt_like import pp
from tybalt_like.core import memory
from tybalt_like.core.errors import DataError
from tybalt_like.io import hdf5, source
from tybalt_like.io import zarr as zarr_format

DAMAGED = Path(__file__).parent / "damaged"
SAMPLES, GENES = list("abcde"), list("wxyz")
X_NG = np.arange(20, dtype=np.float32).reshape(5, 4)


@pytest.fixture
def h5ad(tmp_path: Path) -> Path:
    obs, var = pd.DataFrame(index=SAMPLES), pd.DataFrame(index=GENES)
    ty.io.write_h5ad(anndata.AnnData(X_NG, obs, var), tmp_path / "m.h5ad")
    return tmp_path / "m.h5ad"


@pytest.fixture
def zarr(tmp_path: Path) -> Path:
    obs, var = pd.DataFrame(index=SAMPLES), pd.DataFrame(index=GENES)
    with warnings.catch_warnings(action="ignore"):  # anndata announces another default
        anndata.AnnData(X_NG, obs, var).write_zarr(tmp_path / "m.zarr")
    return tmp_path / "m.zarr"


def refused(path: Path, match: str, *, backed: bool = True) -> None:
    """By both ways to open it, each in one sentence."""
    for opened in (ty.read, pp.open_backed) if backed else (ty.read,):
        with pytest.raises(DataError, match=match) as refusal:
            opened(path)
        assert "\n" not in str(refusal.value)


def replaced(path: Path, **how) -> None:
    """The matrix of an h5ad file made anew."""
    with h5py.File(path, "r+") as file:
        about = dict(file["X"].attrs)
        del file["X"]
        file.create_dataset("X", **how).attrs.update(about)


def test_damage_that_keeps_hdf5_for_ever_is_refused() -> None:
    refused(DAMAGED / "endless.h5ad", "does not end", backed=False)


def test_damage_that_crashes_hdf5_is_refused(h5ad: Path, monkeypatch) -> None:
    hdf5._WALKER.end()
    with monkeypatch.context() as changed:
        changed.setattr(hdf5.walker, "__file__", str(h5ad.with_name("crash.py")))
        text = Path(hdf5.__file__).with_name("walker.py").read_text()
        crash = "os.kill(os.getpid(), signal.SIGSEGV)"
        h5ad.with_name("crash.py").write_text(text.replace("walk.all()", crash))
        refused(h5ad, "HDF5 crashes on it")
    hdf5._WALKER.end()
    assert ty.read(h5ad).shape == (5, 4)


@pytest.mark.parametrize("place", ["X", "uns/deep/down"])
def test_links_to_other_files_are_refused(h5ad: Path, place: str) -> None:
    with h5py.File(h5ad, "r+") as file:
        if place in file:
            del file[place]
        file[place] = h5py.ExternalLink(str(h5ad.with_name("other.h5ad")), "/X")
    refused(h5ad, "is a link to another file")


def test_data_in_other_files_are_refused(h5ad: Path) -> None:
    other = h5ad.with_name("numbers")
    other.write_bytes(X_NG.tobytes())
    replaced(h5ad, shape=(5, 4), dtype="f4", external=[(str(other), 0, 80)])
    refused(h5ad, "'/X' lies in other files")


def test_virtual_data_are_refused(h5ad: Path) -> None:
    whole = shutil.copy(h5ad, h5ad.with_name("other.h5ad"))
    layout = h5py.VirtualLayout((5, 4), "f4")
    layout[:] = h5py.VirtualSource(whole, "X", (5, 4))
    with h5py.File(h5ad, "r+") as file:
        del file["X"]
        file.create_virtual_dataset("X", layout)
    refused(h5ad, "'/X' lies in other files")


@pytest.mark.parametrize("shape", [(100_000, 100_000), (10_000_000_000, 4)])
@pytest.mark.parametrize("chunks", [None, (1000, 4)])
def test_promises_that_the_file_cannot_hold_are_refused(h5ad: Path, shape, chunks) -> None:
    replaced(h5ad, shape=shape, dtype="f4", chunks=chunks)
    refused(h5ad, "promises .* MB and holds 0.0")


def test_links_within_a_file_are_followed(h5ad: Path) -> None:
    with h5py.File(h5ad, "r+") as file:
        file["uns/table"] = h5py.SoftLink("/obs")
    assert list(ty.read(h5ad).uns["table"].index) == SAMPLES


@pytest.mark.parametrize("kind", ["hard", "soft", "two groups"])
def test_groups_that_hold_themselves_are_refused(h5ad: Path, kind: str) -> None:
    """Readers would follow them down to Python's limit, where h5py's lock is never given back."""
    with h5py.File(h5ad, "r+") as file:
        if kind == "two groups":
            for name in "ab":
                file.create_group(f"uns/{name}")
            file["uns/a/b"], file["uns/b/a"] = file["uns/b"], file["uns/a"]
        else:
            file["uns/itself"] = file["/"] if kind == "hard" else h5py.SoftLink("/uns")
    refused(h5ad, "holds itself")


def test_groups_within_each_other_are_counted(h5ad: Path) -> None:
    for n, message in ((40, None), (60, "more than 50 groups")):
        with h5py.File(h5ad, "r+") as file:
            place = file["uns"]
            for _ in range(n):
                place = place.require_group("more")
                place.attrs["encoding-type"], place.attrs["encoding-version"] = "dict", "0.1.0"
        if message is None:
            assert "more" in ty.read(h5ad).uns
        else:
            refused(h5ad, message)


def test_a_matrix_of_zeros_shrinks_well_and_is_read(tmp_path: Path) -> None:
    zeros = anndata.AnnData(np.zeros((400, 20_000), np.float32))
    zeros.write_h5ad(tmp_path / "m.h5ad", compression="gzip")
    assert 30 * (tmp_path / "m.h5ad").stat().st_size < zeros.X.nbytes
    assert ty.read(tmp_path / "m.h5ad").shape == (400, 20_000)
    text = "id\t" + "\t".join(f"g{i}" for i in range(2000)) + "\n"
    text += "".join(f"s{i}" + "\t0" * 2000 + "\n" for i in range(1000))
    (tmp_path / "m.tsv.gz").write_bytes(gzip.compress(text.encode()))
    assert 100 * (tmp_path / "m.tsv.gz").stat().st_size < len(text)
    assert ty.read(tmp_path / "m.tsv.gz", genes_in="columns").shape == (1000, 2000)


def test_what_does_not_fit_into_memory_stays_on_disk(h5ad: Path, zarr: Path, monkeypatch) -> None:
    for module in (hdf5, zarr_format):
        monkeypatch.setattr(module, "available", lambda: 100)
    for path in (h5ad, zarr):
        with pytest.raises(DataError, match="GB of memory, of which"):
            ty.read(path)
        assert pp.open_backed(path).shape == (5, 4)


def test_zarr_through_links_is_refused(zarr: Path, tmp_path: Path) -> None:
    shutil.move(zarr / "X", tmp_path / "elsewhere")
    (zarr / "X").symlink_to(tmp_path / "elsewhere")
    refused(zarr, r"m\.zarr/X is a link")
    link = tmp_path / "named.zarr"
    shutil.rmtree(zarr / "X", ignore_errors=True)
    (zarr / "X").unlink()
    shutil.move(tmp_path / "elsewhere", zarr / "X")
    link.symlink_to(zarr)
    assert ty.read(link).shape == (5, 4)  # the user may name a folder by a link


@pytest.mark.parametrize("text", ["[" * 5000, '{"zarr_format": 2, "shape": [-1], "chunks": [1]}'])
def test_damaged_descriptions_of_zarr_are_refused(zarr: Path, text: str) -> None:
    described = next(path for path in zarr.rglob("*") if path.name in (".zarray", "zarr.json"))
    described.write_text(text)
    refused(zarr, "is damaged")


BOMBS = r"swell to|this is not text|a line of over|blank lines|no rows below"
PIECES = {
    "zeros": bytes(1 << 16),
    "one line": b"0\t" * (1 << 15),
    "rows": b"x\t0\t0\n" * 10_000,
    "blank lines": b"\n" * (1 << 16),
}


@pytest.mark.parametrize("pack", [gzip.open, bz2.open])
@pytest.mark.parametrize("what", PIECES)
def test_bombs_are_refused_before_they_swell(tmp_path: Path, what: str, pack, monkeypatch) -> None:
    monkeypatch.setattr(source, "available", lambda: 1 << 23)
    monkeypatch.setattr(source, "LONGEST_LINE", 1 << 21)
    path = tmp_path / "m.tsv.packed"
    with pack(path, "wb") as file:
        file.write(b"id\ta\tb\n")
        for _ in range(48):
            file.write(PIECES[what])
    for opened in (ty.read, ty.io.read_gmt, ty.io.read_gene_list):
        with pytest.raises(DataError, match=BOMBS):
            opened(path)


def test_zip_bombs_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(source, "available", lambda: 1 << 25)
    with zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("train_images.npy", bytes(1 << 24))
    with pytest.raises(DataError, match="swell to 16 MB"):
        ty.read(tmp_path / "m.npz")


def sheet(path: Path, old: bytes, new: bytes) -> None:
    """A workbook whose only sheet is changed."""
    before = io.BytesIO()
    pd.DataFrame({"sample": SAMPLES, "group": range(5)}).to_excel(before, index=False)
    with zipfile.ZipFile(before) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in whole.namelist():
            content = whole.read(name)
            file.writestr(name, content.replace(old, new) if "sheet1.xml" in name else content)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'r="A6"', b'r="A99999999999"', "reaches to row 99,999,999,999"),
        (b'r="B6"', b'r="XFD1048576"', "and column 16,384"),
        (b"<worksheet", b'<!DOCTYPE a [<!ENTITY b "c">]><worksheet', "no sheet that Excel writes"),
        (
            b"</sheetData>",
            b"</sheetData><!--" + bytes(1 << 20).hex().encode(),
            "not a sample table",
        ),
    ],
)
def test_hostile_workbooks_are_refused(tmp_path: Path, h5ad: Path, old, new, message) -> None:
    sheet(tmp_path / "obs.xlsx", b"nothing", b"")
    assert ty.read(h5ad, obs=tmp_path / "obs.xlsx").obs["group"].tolist() == [0, 1, 2, 3, 4]
    sheet(tmp_path / "obs.xlsx", old, new)
    with pytest.raises(DataError, match=message):
        ty.read(h5ad, obs=tmp_path / "obs.xlsx")


def tenx(folder: Path, matrix: str | bytes, *, shape: tuple[int, int] = (20, 14)) -> Path:
    """A folder of 10x with that matrix."""
    content = matrix if isinstance(matrix, bytes) else matrix.encode()
    (folder / "matrix.mtx").write_bytes(content)
    (folder / "genes.tsv").write_text("".join(f"E{i}\tG{i}\n" for i in range(shape[0])))
    (folder / "barcodes.tsv").write_text("".join(f"C{i}\n" for i in range(shape[1])))
    return folder


@pytest.mark.parametrize("name", ["zeros_inside.mtx", "zeros_in_a_line.mtx"])
def test_damaged_matrices_of_10x_are_refused(tmp_path: Path, name: str) -> None:
    refused(tenx(tmp_path, (DAMAGED / name).read_bytes()), "this is not text", backed=False)


WHOLE = "%%MatrixMarket matrix coordinate integer general\n% written by hand\n20 14 3\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WHOLE + "1 1 7\n2 1 1x2\n3 1 4\n", "line 5: '2 1 1x2' is no entry"),
        (WHOLE + "1 1 7\n2 1 3.7\n3 1 4\n", "line 5: '2 1 3.7' is no entry"),
        (WHOLE + "1 1 7\n2 1 0x12\n3 1 4\n", "line 5: '2 1 0x12' is no entry"),
        (WHOLE + "1 1 7\n2 1\n3 1 4\n", "line 5: '2 1' is no entry"),
        (WHOLE + "1 1 7\n2 1 3 9\n3 1 4\n", "line 5: '2 1 3 9' is no entry"),
        (WHOLE + "1 1 7\n2 1 3\n", "2 entries where the size line promises 3; it ends early"),
        (WHOLE + "1 1 7\n2 1 3\n2 1 3\n", "1 entries repeat the place of another"),
        (WHOLE + "1 1 7\n2 1 3\n21 1 3\n", "entry 3 is in row 21 of 20"),
        (WHOLE + "1 1 7\n2 1 3\n3 0 3\n", "entry 3 is in column 0 of 14"),
        (WHOLE.replace("14 3", "14 100000000000") + "1 1 7\n", "promises 100,000,000,000"),
        (WHOLE.replace("20 14", "9999999999 14") + "1 1 7\n", "9,999,999,999 x 14 does not fit"),
        (WHOLE.replace("14 3", "14 -3") + "1 1 7\n", "line 3: '20 14 -3' is not 3 sizes"),
        (WHOLE.replace("integer", "complex"), "a general coordinate matrix of complex entries"),
        (WHOLE.replace("general", "symmetric"), "a symmetric coordinate matrix"),
        ("%%MatrixMarket matrix\n", "line 1: no heading"),
    ],
)
def test_a_wrong_matrix_of_10x_is_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    refused(tenx(tmp_path, text), message, backed=False)


@pytest.mark.parametrize("field", ["integer", "real"])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("blanks", [" ", "\t", "   "])
def test_matrix_market_reads_as_scipy_writes(tmp_path: Path, field, dense, blanks) -> None:
    rng = np.random.default_rng(0)
    x = sparse.coo_array(np.where(rng.random((20, 14)) < 0.3, rng.random((20, 14)), 0))
    x.data = np.round(20 * x.data) if field == "integer" else x.data - 0.5
    written = x.toarray() if dense else x
    mmwrite(tmp_path / "m.mtx", written, field=field, precision=17)
    head, *rest = (tmp_path / "m.mtx").read_text().splitlines(keepends=True)
    found = ty.read(tenx(tmp_path, head + "".join(rest).replace(" ", blanks)))
    np.testing.assert_array_equal(found.X.toarray(), x.toarray().T.astype(np.float32))


def test_memory_is_that_of_the_narrowest_limit(tmp_path: Path, monkeypatch) -> None:
    whole = memory.available()
    assert 0 < whole <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 200000\n")
    names = ("memory.max", "memory.current")
    monkeypatch.setattr(memory, "_CONTAINERS", {tmp_path: names})
    assert memory.available() == 300_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() > 300_000


def test_shape_of_zarr_in_the_repeated_description_counts_too(zarr: Path) -> None:
    described = next(p for p in (zarr / ".zmetadata", zarr / "zarr.json") if p.exists())
    text = json.loads(described.read_text())
    whole = text.get("consolidated_metadata", text)["metadata"]
    array = whole.get("X") or whole["X/.zarray"]
    array["shape"] = [10**6, 10**6]
    described.write_text(json.dumps(text))
    with pytest.raises(DataError, match="GB of memory"):
        ty.read(zarr)


def test_a_record_that_is_none_is_refused(h5ad: Path) -> None:
    with h5py.File(h5ad, "r+") as file:
        file["uns/tybalt_like"] = "[" * 100_000
        file["uns/tybalt_like"].attrs.update(
            {"encoding-type": "string", "encoding-version": "0.2.0"}
        )
    refused(h5ad, "is no record of this package", backed=False)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    empty = pa.table({"gene": pa.array([], pa.string()), "a": pa.array([], pa.float32())})
    pq.write_table(empty, tmp_path / "m.parquet")
    for genes_in in ("rows", "columns"):
        with pytest.raises(DataError, match="nothing to do"):
            ty.read(tmp_path / "m.parquet", genes_in=genes_in)


def test_a_refused_file_leaves_h5py_to_other_threads(h5ad) -> None:
    """Iterators of h5py hold its lock, and tracebacks hold iterators."""
    from h5py._objects import phil

    with h5py.File(h5ad, "r+") as file:
        file["obs"].attrs["encoding-type"] = "unheard of"
    free = []

    def take() -> None:
        if phil.acquire(blocking=False):
            free.append(True)
            phil.release()

    for opened in (ty.read, pp.open_backed):
        with pytest.raises(DataError) as refusal:
            opened(h5ad)
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
        assert refusal.value
    assert len(free) == 2
