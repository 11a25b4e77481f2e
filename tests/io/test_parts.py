"""Files that hold several things: what is read of them is chosen, said, and chosen again."""

import json
import warnings
from html import unescape
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import tybalt_like as ty
from tybalt_like import io
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded

N, G = 30, 40
SAMPLES, GENES = [f"S{i:03d}" for i in range(N)], [f"ENSG{i:011d}" for i in range(G)]
pytestmark = pytest.mark.usefixtures("module_without_figures")
COUNTS = np.random.default_rng(0).poisson(30, (N, G)).astype(np.float32)
KINDS = ["Gene Expression"] * (G - 5) + ["Antibody Capture"] * 4 + ["CRISPR Guide Capture"]


def notes(adata) -> str:
    return "\n".join(recorded(adata)["reading"]["notes"])


def scaled() -> anndata.AnnData:
    """As scanpy and Seurat leave it: X scaled and of fewer genes, counts in .raw and a layer."""
    obs = pd.DataFrame({"kind": list("ab") * (N // 2)}, index=SAMPLES)
    whole = anndata.AnnData(COUNTS, obs=obs, var=pd.DataFrame(index=GENES))
    adata = whole[:, :25].copy()
    adata.layers["counts"] = sparse.csr_matrix(adata.X)
    adata.layers["log"] = np.log1p(adata.X)
    adata.X = (adata.X - adata.X.mean(0)) / adata.X.std(0)
    adata.raw = whole
    return adata


@pytest.fixture(params=["h5ad", "zarr", "h5mu"])
def stored(request, tmp_path: Path) -> Path:
    path = tmp_path / f"m.{request.param}"
    if request.param == "h5ad":
        scaled().write_h5ad(path)
    elif request.param == "zarr":
        with warnings.catch_warnings(action="ignore"):  # anndata announces another default
            scaled().write_zarr(path)
    else:
        with h5py.File(path, "w") as file:
            anndata.io.write_elem(file.create_group("mod"), "rna", scaled())
            anndata.io.write_elem(file, "obs", scaled().obs[[]])
    return path


def test_a_layer_or_raw_takes_the_place_of_x(stored: Path) -> None:
    adata = ty.read(stored)
    assert adata.X.min() < 0
    assert "counts in .raw with 40 genes (use_raw = true, --use-raw)" in notes(adata)
    assert "counts in layer 'counts' (layer = 'counts', --layer counts)" in notes(adata)
    adata = ty.read(stored, layer="counts")
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS[:, :25])
    assert "layer 'counts' is read in place of X" in notes(adata)
    adata = ty.read(stored, use_raw=True)
    np.testing.assert_array_equal(adata.X, COUNTS)
    assert list(adata.obs["kind"]) == list("ab") * (N // 2)
    assert "there are counts" not in notes(adata)
    with pytest.raises(DataError, match="no layer 'cnt'; it has X, layer 'counts', layer 'log', "):
        ty.read(stored, layer="cnt")
    with pytest.raises(DataError, match="exclude each other"):
        ty.read(stored, layer="counts", use_raw=True)
    np.testing.assert_array_equal(ty.read(stored, layer="X").X, scaled().X)


def test_without_x_the_other_matrices_are_named(tmp_path: Path) -> None:
    adata = scaled()
    adata.X = None
    adata.write_h5ad(tmp_path / "m.h5ad")
    with pytest.raises(DataError, match="no X; name what to read: layer 'counts', layer 'log', "):
        ty.read(tmp_path / "m.h5ad")
    assert ty.read(tmp_path / "m.h5ad", layer="counts").shape == (N, 25)


def test_a_choice_is_made_again_where_it_can_be(stored: Path, tmp_path: Path) -> None:
    chosen = recorded(ty.read(stored, use_raw=True))["reading"]["parts"]
    assert chosen == {"use_raw": True}
    again = ty.read(stored, usual=chosen)
    np.testing.assert_array_equal(again.X, COUNTS)
    assert "read as the earlier matrix: use_raw" in notes(again)
    assert ty.read(stored, usual=chosen, layer="log").n_vars == 25
    plain = tmp_path / "plain.h5ad"
    io.write_h5ad(ty.read(stored, use_raw=True), plain)
    assert "not read as the earlier matrix (use_raw): " in notes(ty.read(plain, usual=chosen))
    text = tmp_path / "plain.tsv"
    ty.read(plain).to_df().to_csv(text, sep="\t")
    assert "delimited text has no such parts" in notes(ty.read(text, usual=chosen))
    with pytest.raises(DataError, match="layer = 'a' has no meaning in this format"):
        ty.read(text, layer="a")
    with pytest.raises(DataError, match="modality = 'rna' has no meaning in this format"):
        ty.read(plain, modality="rna")


def tenx_folder(path: Path, kinds: list[str]) -> None:
    path.mkdir()
    features = [f"{gene}\t{gene}\t{kind}" for gene, kind in zip(GENES, kinds, strict=True)]
    (path / "features.tsv").write_text("\n".join(features) + "\n")
    (path / "barcodes.tsv").write_text("\n".join(SAMPLES) + "\n")
    cells = [f"{g + 1} {n + 1} {int(COUNTS[n, g])}" for n in range(N) for g in range(G)]
    head = f"%%MatrixMarket matrix coordinate integer general\n{G} {N} {len(cells)}\n"
    (path / "matrix.mtx").write_text(head + "\n".join(cells) + "\n")


def tenx_h5(path: Path, kinds: list[str]) -> None:
    x = sparse.csr_matrix(COUNTS)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = x.data, x.indices, x.indptr
        group["shape"], group["barcodes"] = [G, N], np.array(SAMPLES, "S")
        for key, values in {"id": GENES, "name": GENES, "feature_type": kinds}.items():
            group[f"features/{key}"] = np.array(values, "S")


def with_kinds(kinds: list[str]) -> anndata.AnnData:
    obs, var = pd.DataFrame(index=SAMPLES), pd.DataFrame({"feature_types": kinds}, index=GENES)
    return anndata.AnnData(COUNTS, obs=obs, var=var)


def of_kinds_h5mu(path: Path, kinds: list[str]) -> None:
    with h5py.File(path, "w") as file:
        anndata.io.write_elem(file.create_group("mod"), "rna", with_kinds(kinds))
        anndata.io.write_elem(file, "obs", pd.DataFrame(index=SAMPLES))


CONTAINERS = {
    "folder": tenx_folder,
    "m.h5": tenx_h5,
    "m.h5ad": lambda path, kinds: with_kinds(kinds).write_h5ad(path),
    "m.h5mu": of_kinds_h5mu,
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_one_rule_for_features_that_are_no_genes(tmp_path: Path, name: str) -> None:
    write = CONTAINERS[name]
    write(tmp_path / name, KINDS)
    adata = ty.read(tmp_path / name)
    assert list(adata.var_names) == GENES[: G - 5]
    said = "features that are no genes, left out: 4 Antibody Capture, 1 CRISPR Guide Capture"
    assert said in notes(adata)
    write(tmp_path / f"none_{name}", ["Antibody Capture"] * G)
    with pytest.raises(DataError, match=r"no feature is a gene .*: there are 40 Antibody Capture"):
        ty.read(tmp_path / f"none_{name}")
    write(tmp_path / f"types_{name}", ["protein_coding", "lncRNA"] * (G // 2))  # no such kinds
    assert ty.read(tmp_path / f"types_{name}").n_vars == G


def test_layers_of_loom(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.loom", "w") as file:
        file["matrix"], file["layers/spliced"] = COUNTS.T, COUNTS.T / 2
        file["row_attrs/Gene"], file["col_attrs/CellID"] = np.bytes_(GENES), np.bytes_(SAMPLES)
    assert "layers, left out: spliced" in notes(ty.read(tmp_path / "m.loom"))
    adata = ty.read(tmp_path / "m.loom", layer="spliced")
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS / 2)
    with pytest.raises(DataError, match="no layer 'u'; it has X, 'spliced'"):
        ty.read(tmp_path / "m.loom", layer="u")


def test_normalising_from_disk_knows_the_rule_and_the_hint(command, tmp_path: Path) -> None:
    with_kinds(KINDS).write_h5ad(tmp_path / "kinds.h5ad")
    done = command("normalize", tmp_path / "kinds.h5ad", "-o", tmp_path / "k.h5ad")
    assert done.returncode == 0, done.stderr
    assert "left out: 4 Antibody Capture" in done.stderr
    assert set(ty.read(tmp_path / "k.h5ad").var_names) <= set(GENES[: G - 5])
    scaled().write_h5ad(tmp_path / "scaled.h5ad")
    done = command("normalize", tmp_path / "scaled.h5ad", "-o", tmp_path / "s.h5ad")
    assert "counts in .raw with 40 genes" in done.stderr
    words = ("normalize", tmp_path / "scaled.h5ad", "--layer", "counts", "-o", tmp_path / "t.h5ad")
    assert command(*words).returncode == 0
    assert "scale: counts" in command(*words, "--overwrite").stderr


def mudata(path: Path, *modalities: str) -> Path:
    obs, var = pd.DataFrame(index=[*SAMPLES, "x", "y"]), {"feature_types": ["Antibody Capture"] * 3}
    proteins = anndata.AnnData(np.ones((N + 2, 3)), obs=obs, var=pd.DataFrame(var, list("abc")))
    with h5py.File(path, "w") as file:
        for name in modalities:
            one = proteins if name == "prot" else with_kinds(["Gene Expression"] * G)
            anndata.io.write_elem(file.require_group("mod"), name, one)
        shared = pd.DataFrame({"donor": "d", "rna:kind": "k"}, index=[*SAMPLES, "x", "y"])
        anndata.io.write_elem(file, "obs", shared)
    return path


def test_a_modality_is_named_or_plain(tmp_path: Path) -> None:
    adata = ty.read(mudata(tmp_path / "m.h5mu", "prot", "rna"))
    assert "modality 'rna' is read; left out: prot" in notes(adata)
    assert "samples of other modalities only, left out: 2" in notes(adata)
    assert list(adata.obs.columns) == ["donor"]
    adata = ty.read(tmp_path / "m.h5mu", modality="prot")
    assert adata.shape == (N + 2, 3)
    assert "features that are no genes, but were named: 3 Antibody Capture" in notes(adata)
    with pytest.raises(DataError, match="no modality 'atac'; it has prot, rna"):
        ty.read(tmp_path / "m.h5mu", modality="atac")
    assert ty.read(mudata(tmp_path / "one.h5mu", "cells")).shape == (N, G)
    with pytest.raises(DataError, match=r"several modalities \(prot, tx\); name the one of genes"):
        ty.read(mudata(tmp_path / "two.h5mu", "prot", "tx"))


def test_files_of_newer_anndata_read_like_older_ones(tmp_path: Path) -> None:
    """0.13 writes nullable text, names included, where pandas 3 has it."""
    obs = pd.DataFrame({"kind": ["a", None] * (N // 2)}, index=SAMPLES, dtype="string")
    obs["age"] = pd.array([50, None] * (N // 2), dtype="Int64")
    obs["seen"] = pd.array([True, None] * (N // 2), dtype="boolean")
    obs["whole"] = pd.array([1, 2] * (N // 2), dtype="Int64")
    obs.index, var = obs.index.astype("string"), pd.DataFrame(index=pd.Index(GENES, dtype="string"))
    adata = anndata.AnnData(COUNTS, obs=obs, var=var)
    with anndata.settings.override(allow_write_nullable_strings=True):
        adata.write_h5ad(tmp_path / "m.h5ad", convert_strings_to_categoricals=False)
    with h5py.File(tmp_path / "m.h5ad") as file:
        assert file["obs/_index"].attrs["encoding-type"] == "nullable-string-array"
    back = ty.read(tmp_path / "m.h5ad")
    assert back.obs_names.dtype == back.var_names.dtype == object
    assert [str(kind) for kind in back.obs.dtypes] == ["object", "float64", "object", "int64"]
    assert back.obs["kind"].fillna("-").tolist()[:2] == ["a", "-"]


def test_commands_and_recipes_have_every_option() -> None:
    """Declared once for `read` and recipes (`io.Options`), and once for commands."""
    from dataclasses import fields

    from tybalt_like.cli.options import READING
    from tybalt_like.run.recipe import Data

    options = {field.name for field in fields(io.Options)}
    assert set(READING) <= options <= {field.name for field in fields(Data)}
    assert options - set(READING) <= {"image_size", "tx2gene"}


@pytest.mark.slow
def test_a_run_reads_what_it_is_told_and_score_reads_it_again(command, tmp_path: Path) -> None:
    scaled().write_h5ad(tmp_path / "m.h5ad")
    table = pd.DataFrame({"id": [name.lower() for name in SAMPLES[:10]], "place": "here"})
    table.to_csv(tmp_path / "obs.csv", index=False)
    small = ("--set", "evaluation.seeds=1", "--set", "pictures.maps=[]", "--set", "model.name=pca")
    data = ("--data", tmp_path / "m.h5ad", "--obs", tmp_path / "obs.csv")
    done = command("run", *data, "--use-raw", "--out", tmp_path / "run", *small)
    assert done.returncode == 0, done.stderr
    found = "10 of 30 samples found in column 'id' of obs.csv, ignoring letter case"
    assert found in done.stderr
    page = unescape((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    warned = "Only 10 of 30 samples have a row in obs.csv"
    assert found in page
    assert warned in page
    assert ".raw is read, with its 40 genes" in page
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["recipe"]["data"]["use_raw"] is True
    assert any(warned in warning for warning in about["warnings"])
    done = command("score", "--run", tmp_path / "run", *data[1:])
    assert done.returncode == 0, done.stderr
    assert "note: read as the earlier matrix: use_raw" in done.stderr
    assert f"note: {found}" in done.stderr
    done = command("aberrant", *data[1:], "--use-raw", "--out", tmp_path / "aberrant")
    assert done.returncode == 0, done.stderr
    assert found in done.stderr
    assert warned in (tmp_path / "aberrant" / "report.html").read_text(encoding="utf-8")
    using = ("--using", tmp_path / "aberrant", "--out", tmp_path / "new")
    assert "read as the earlier matrix: use_raw" in command("aberrant", *data[1:], *using).stderr
    done = command("data", "inspect", *data[1:], "--layer", "counts")
    assert found in done.stdout
    assert "layer 'counts' is read" in done.stdout
