"""What is written can be read by others, is whole, and is the same every time."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

import tybalt_like as ty
from tybalt_like import io
from tybalt_like.core.errors import DataError, WriteError


def awkward() -> anndata.AnnData:
    """Everything that makes anndata's own writer raise, or write what R cannot read."""
    obs = pd.DataFrame(index=pd.Index([1, 2, 3], name="age"))
    obs["age"] = [50, None, 70]
    obs["stage"] = ["I", None, "II"]
    obs["mixed"] = [1, "two", np.nan]
    obs["site/side"] = pd.Categorical(["left", None, "right"])
    obs["grade"] = pd.Categorical([1, 2, 1])
    obs["whole"] = pd.array([1, None, 3], dtype="Int64")
    obs["string"] = pd.array(["a", None, "c"], dtype="string")
    obs["seen"] = pd.array([True, False, True], dtype="boolean")
    obs["known"] = pd.array([True, None, False], dtype="boolean")
    obs["day"] = [pd.Timestamp("2020-02-01"), pd.NaT, pd.Timestamp("2021-03-01")]
    obs["minute"] = pd.date_range("2020-02-01", periods=3, freq="min", tz="UTC")
    obs["arrow"] = pd.array(["a", None, "c"], dtype=pd.ArrowDtype(pa.string()))
    obs["byte"] = np.uint8([1, 2, 3])
    obs["nul"] = ["a\0b", "b", "c"]
    obs["a/b"], obs["a_b"] = 1, 2
    obs["empty"] = None
    obs.index = obs.index.astype(str)
    var = pd.DataFrame(index=["TP53", "MYC"])
    uns = {"none": None, "list": [1, "a", None], "table": {"a/b": object}, "pca": np.eye(2)}
    adata = anndata.AnnData(np.ones((3, 2), np.float32), obs=obs, var=var, uns=uns)
    adata.layers["counts"] = sparse.csr_matrix(np.eye(3, 2))
    adata.layers["a/b"], adata.layers["a_b"] = np.eye(3, 2), np.ones((3, 2))
    adata.obsm["X_umap"] = np.zeros((3, 2))
    adata.obsm["table"] = obs[["string", "known"]]
    gappy = pd.DataFrame({"name": ["a", None]}, index=var.index, dtype="string")
    adata.raw = anndata.AnnData(adata.X, obs=obs[[]], var=gappy)
    adata.uns |= {"gappy": gappy, "mixed": np.array([1, "a", None], dtype=object)}
    return adata


def test_h5ad_takes_what_a_notebook_holds(tmp_path: Path) -> None:
    adata = awkward()
    before = adata.obs.copy()
    io.write_h5ad(adata, tmp_path / "m.h5ad")
    pd.testing.assert_frame_equal(adata.obs, before)
    back = anndata.read_h5ad(tmp_path / "m.h5ad")
    assert back.obs["age"].tolist()[::2] == [50, 70]
    assert back.obs["stage"].isna().tolist() == [False, True, False]
    assert back.obs["mixed"].tolist()[:2] == ["1", "two"]
    assert back.obs["site_side"].tolist()[::2] == ["left", "right"]
    assert back.obs["grade"].tolist() == ["1", "2", "1"]
    assert back.obs["seen"].tolist() == [True, False, True]
    assert back.obs["known"].tolist()[::2] == ["True", "False"]
    assert back.obs["day"].tolist()[::2] == ["2020-02-01", "2021-03-01"]
    assert back.obs["minute"].tolist()[1] == "2020-02-01 00:01:00+00:00"
    assert back.obs[["a_b", "a_b_"]].iloc[0].tolist() == [1, 2]
    assert back.raw.var["name"].tolist()[0] == "a"
    assert [back.layers[key].sum() for key in ("a_b", "a_b_")] == [2, 6]
    assert back.obs["empty"].isna().all()
    assert json.loads(back.uns["list"]) == [1, "a", None]
    assert "a_b" in back.uns["table"]
    np.testing.assert_array_equal(back.layers["counts"].toarray(), np.eye(3, 2))
    kinds = set()
    with h5py.File(tmp_path / "m.h5ad") as file:
        file.visititems(lambda _, node: kinds.add(node.attrs.get("encoding-type")))
    assert not [kind for kind in kinds if kind and "nullable" in kind]


@pytest.mark.parametrize("package", ["rhdf5", "hdf5r"])
def test_r_reads_every_column(tmp_path: Path, package: str) -> None:
    """By its two packages for HDF5, on which every converter of h5ad to R rests."""
    if shutil.which("Rscript") is None:
        pytest.skip("there is no R here: install r-base-core, r-bioc-rhdf5 and r-cran-hdf5r")
    asked = ["Rscript", "-e", f"quit(status = !requireNamespace('{package}', quietly = TRUE))"]
    if subprocess.run(asked, check=False, capture_output=True).returncode:
        pytest.skip(f"R has not the package {package}")
    io.write_h5ad(awkward(), tmp_path / "m.h5ad")
    script = Path(__file__).with_name("read_h5ad.R")
    command = ["Rscript", script, tmp_path / "m.h5ad", package]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    found = {(where, name): cells for where, name, *cells in rows}
    assert found["obs", "stage"] == ["I", "NA", "II"]
    assert found["obs", "site_side"] == ["left", "NA", "right"]
    assert found["obs", "whole"] == ["1", "NaN", "3"]
    assert found["obs", "seen"] == ["TRUE", "FALSE", "TRUE"]
    assert found["obs", "known"] == ["True", "NA", "False"]
    assert found["obs", "arrow"] == ["a", "NA", "c"]
    assert found["obs", "byte"] == ["1", "2", "3"]
    assert found["obs", "day"] == ["2020-02-01", "NA", "2021-03-01"]
    assert found["var", "_index"] == ["TP53", "MYC"]
    assert found["X", "X"] == ["6"]
    assert found["layers", "counts"] == ["2"]
    columns = [name for where, name in found if where == "obs"]
    assert len(columns) == 1 + len(awkward().obs.columns)


def test_repeated_genes_survive(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    path.write_text("gene\tS1\tS2\nTP53\t1\t2\nTP53\t3\t4\n")
    io.write_h5ad(ty.read(path, genes_in="rows"), tmp_path / "m.h5ad")
    again = ty.read(tmp_path / "m.h5ad")
    assert list(again.var_names) == ["TP53", "TP53"]
    np.testing.assert_array_equal(again.X, [[1, 3], [2, 4]])


@pytest.mark.parametrize("name", ["t.tsv", "t.csv", "t.tsv.gz", "t.csv.gz", "t.parquet"])
def test_tables_come_back_exactly_and_twice_the_same(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(5, 4)).astype(np.float32))
    frame.index = pd.Index([f"S{i:03d}" for i in range(5)], name="sample")
    frame.columns = ["TP53", "MYC", "KRAS", "EGFR"]
    io.write_table(frame, tmp_path / name)
    first = (tmp_path / name).read_bytes()
    np.testing.assert_array_equal(ty.read(tmp_path / name, genes_in="columns").X, frame)
    io.write_table(frame, tmp_path / name)
    assert (tmp_path / name).read_bytes() == first


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(width=32, allow_infinity=False), min_size=2, max_size=8))
def test_any_float_comes_back(tmp_path: Path, values: list[float]) -> None:
    frame = pd.DataFrame({"S1": values, "S2": values}, dtype=np.float32)
    frame.index = pd.Index([f"g{i}" for i in range(len(values))], name="gene")
    io.write_table(frame, tmp_path / "t.tsv")
    adata = ty.read(tmp_path / "t.tsv", genes_in="rows")
    np.testing.assert_array_equal(adata.X[0], np.float32(values))


@given(values=st.lists(st.floats(), min_size=1, max_size=20))
def test_short_numbers_have_seven_digits(values: list[float]) -> None:
    frame = pd.DataFrame({"a": values, "b": "text"}, index=range(len(values)))
    short = io.shortened(frame)
    assert (short["b"] == "text").all()
    for value, found in zip(values, short["a"], strict=True):
        if not np.isfinite(value) or (abs(value) < 1e15 and value == round(value)):
            np.testing.assert_equal(found, value)
        elif 1e-15 < abs(value) < 1e28:
            assert found == float(f"{found:.7g}")  # reads short
            assert abs(found - value) <= 5.000001e-7 * abs(value)
        else:
            assert found == pytest.approx(value, rel=1e-6)


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("old")

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(KeyboardInterrupt):
        io.write_table(pd.DataFrame({"a": [1]}), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="no such folder"):
        io.write_table(pd.DataFrame(), tmp_path / "no" / "t.tsv")
    with pytest.raises(DataError, match="cannot write this kind"):
        io.write_table(pd.DataFrame(), tmp_path / "t.docx")


def test_gzip_holds_no_date(tmp_path: Path) -> None:
    io.write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.tsv.gz")
    data = (tmp_path / "t.tsv.gz").read_bytes()
    assert data[4:8] == b"\0\0\0\0"
    assert gzip.decompress(data) == b"\ta\n0\t1\n"
