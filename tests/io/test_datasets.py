"""Named data sets: the shipped cohort is what its card says, the others are found or asked for."""

import gzip
import hashlib
import runpy
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded
from tybalt_like.io import datasets


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch) -> Path:
    """No data folder, an empty cache, and no network."""
    monkeypatch.delenv("TYBALT_LIKE_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("pooch.retrieve", refuse)
    return tmp_path


def xena(folder: Path) -> pd.DataFrame:
    """A small HiSeqV2 of UCSC Xena with its clinical matrix: genes in rows, called `sample`."""
    genes = ["ARHGEF10L", "HIF3A", "RNF17", "?|100130426", "TP53", "MYC", "XIST"]
    samples = ["TCGA-S9-A7J2-01", "TCGA-G3-A3CH-11", "TCGA-EK-A2RE-01"]
    values = np.random.default_rng(0).uniform(0, 15, (7, 3)).round(4)
    frame = pd.DataFrame(values, index=pd.Index(genes, name="sample"), columns=samples)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "HiSeqV2.gz").write_bytes(gzip.compress(frame.to_csv(sep="\t").encode()))
    clinical = "sampleID\t_primary_disease\tage\nTCGA-EK-A2RE-01\tcervical\t61\n"
    clinical += "TCGA-S9-A7J2-01\tglioma\t33\nTCGA-XX-XXXX-01\tlung\t\n"
    (folder / "PANCAN_clinicalMatrix.gz").write_bytes(gzip.compress(clinical.encode()))
    return frame


def test_the_shipped_cohort_is_what_its_card_says() -> None:
    adata = datasets.load("tcga_brca")
    path = datasets.path("tcga_brca")
    card = (path.parent / "README.md").read_text()
    assert adata.shape == (769, 2000)
    assert adata.obs["pam50"].value_counts().to_dict() == {
        "Luminal A": 419,
        "Luminal B": 140,
        "Basal-like": 130,
        "HER2-enriched": 46,
        "Normal-like": 34,
    }
    assert "pam50_code" not in adata.obs
    assert (adata.X == 0).sum() == 43_636
    np.testing.assert_array_equal(adata.X * 64, np.round(adata.X * 64))
    assert path.stat().st_size < 3_000_000
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == datasets.registry()["tcga_brca"].sha256
    assert digest in card
    assert recorded(adata)["dataset"]["units"].startswith("log2 RSEM")


@pytest.mark.slow
def test_the_shipped_cohort_can_be_made_again(shared_data: Path, tmp_path: Path) -> None:
    script = runpy.run_path(str(datasets.DATA / "tcga_brca" / "build.py"))
    script["build"](shared_data / "tcga_brca" / "tcga_brca.h5ad", tmp_path / "again.h5ad")
    again = anndata.read_h5ad(tmp_path / "again.h5ad")
    shipped = anndata.read_h5ad(datasets.path("tcga_brca"))
    np.testing.assert_array_equal(again.X, shipped.X)
    pd.testing.assert_frame_equal(again.obs, shipped.obs)
    assert list(again.var_names) == list(shipped.var_names)


@pytest.mark.parametrize("subfolder", ["", "tcga_pancan"])
def test_the_folder_of_the_environment_is_looked_in_first(
    nowhere: Path, monkeypatch, subfolder: str
) -> None:
    frame = xena(nowhere / "mine" / subfolder)
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(nowhere / "mine"))
    adata = datasets.load("tcga_pancan")
    np.testing.assert_array_equal(adata.X, frame.to_numpy(np.float32).T)
    assert list(adata.var_names) == list(frame.index)
    assert adata.obs["_primary_disease"].tolist()[::2] == ["glioma", "cervical"]
    assert recorded(adata)["reading"]["rows_without_sample"] == ["TCGA-XX-XXXX-01"]


def test_the_layout_of_xena_is_understood_without_being_told(tmp_path: Path) -> None:
    from tybalt_like.io import read

    frame = xena(tmp_path)
    adata = read(tmp_path / "HiSeqV2.gz")
    assert list(adata.obs_names) == list(frame.columns)


def test_a_download_is_checked_and_kept(nowhere: Path, monkeypatch, capsys) -> None:
    xena(nowhere / "server")
    asked = []

    def retrieve(url: str, known_hash: str | None, fname: str, path: Path) -> str:
        asked.append((url, known_hash))
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).write_bytes((nowhere / "server" / fname).read_bytes())
        return str(path / fname)

    monkeypatch.setattr("pooch.retrieve", retrieve)
    path = datasets.fetch("tcga_pancan")
    assert path == nowhere / "cache" / "tcga_pancan" / "HiSeqV2.gz"
    entry = datasets.registry()["tcga_pancan"]
    assert asked == [(entry.url, None)]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"knows no checksum of HiSeqV2.gz; sha256 {digest}" in capsys.readouterr().err
    assert datasets.fetch("tcga_pancan") == datasets.path("tcga_pancan") == path
    assert len(asked) == 1


@pytest.mark.usefixtures("nowhere")
def test_without_network_it_says_where_to_put_the_file() -> None:
    with pytest.raises(DataError, match="could not be downloaded") as refusal:
        datasets.fetch("tcga_pancan")
    for part in (datasets.registry()["tcga_pancan"].url, "HiSeqV2.gz", "TYBALT_LIKE_DATA"):
        assert part in str(refusal.value)
    with pytest.raises(DataError, match="tybalt-like data fetch tcga_pancan"):
        datasets.path("tcga_pancan")


def test_another_file_of_the_same_name_is_refused(nowhere: Path, monkeypatch) -> None:
    entry = datasets.registry()["tcga_brca"]
    other = nowhere / entry.file
    other.parent.mkdir(parents=True)
    other.write_bytes(b"another")
    monkeypatch.setattr(datasets, "DATA", nowhere)
    with pytest.raises(DataError, match=r"sha256 is .* where the registry has"):
        datasets.path("tcga_brca")


def test_unknown_names_are_answered_with_the_known() -> None:
    with pytest.raises(DataError, match=r"unknown data set 'brca'; known: .*tcga_brca"):
        datasets.fetch("brca")
