"""No file that is written tells in which folders, or as which user, somebody works."""

import base64
import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import chdir, suppress
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SECRET, USER = "zqclinic", "zqdoctor"
"""Of a folder and of a user; they occur in nothing else."""


def unpacked(data: bytes) -> Iterator[bytes]:
    """Bytes, and whatever is packed in them: gzip, zip, base64 in pages, text in pictures."""
    yield data
    if data[:2] == b"\x1f\x8b":
        yield from unpacked(gzip.decompress(data))
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from unpacked(archive.read(name))
    for found in re.findall(rb"[A-Za-z0-9+/]{80,}={0,2}", data) if b"<html" in data else ():
        with suppress(ValueError):
            yield from unpacked(base64.b64decode(found))
    if data[:4] == b"\x89PNG":
        for found in re.finditer(rb"(?:zTXt|iTXt)", data):
            text = data[found.end() :].partition(b"\0")[2]
            for start in range(4):
                with suppress(zlib.error):
                    yield zlib.decompressobj().decompress(text[start:])


def strings_of(path: Path) -> Iterator[bytes]:
    """All text of HDF5, also what is compressed."""
    found = list[bytes]()

    def look(_: str, thing: h5py.Dataset | h5py.Group) -> None:
        found.extend(str(value).encode() for value in thing.attrs.values())
        if isinstance(thing, h5py.Dataset) and thing.dtype.kind in "OS":
            found.extend(str(value).encode() for value in np.ravel(thing[()]))

    with h5py.File(path) as file:
        file.visititems(look)
    yield from found


def telling(folder: Path) -> list[str]:
    """The files below a folder that hold the secret."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        texts = list(unpacked(path.read_bytes()))
        if path.suffix == ".h5ad":
            texts += strings_of(path)
        if any(secret.encode() in text for text in texts for secret in (SECRET, USER)):
            found.append(path.relative_to(folder).as_posix())
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of somebody's, with a matrix of 90 samples x 120 genes, counts and recipes."""
    monkeypatch.setenv("USER", USER)
    monkeypatch.setenv("LOGNAME", USER)
    folder = tmp_path / SECRET
    folder.mkdir()
    adata = anndata.read_h5ad(CHECKOUT / "data" / "tcga_brca" / "tcga_brca.h5ad")[:90, :120]
    pd.DataFrame(adata.X.T, adata.var_names, adata.obs_names).to_csv(folder / "m.tsv", sep="\t")
    new = pd.DataFrame(adata.X.T[:, :9], adata.var_names, [f"N{i}" for i in range(9)])
    new.to_csv(folder / "new.tsv", sep="\t")
    adata.obs[["pam50", "gender"]].to_csv(folder / "o.tsv", sep="\t")
    (folder / "sets.gmt").write_text(
        "".join(
            f"set {i}\t-\t" + "\t".join(adata.var_names[i * 12 : i * 12 + 12]) + "\n"
            for i in range(10)
        )
    )
    random = np.random.default_rng(0)
    counts = random.poisson(random.gamma(3, 50, (60, 1)) * random.lognormal(0, 0.2, (60, 30)))
    genes, samples = [f"G{i}" for i in range(60)], [f"S{i}" for i in range(30)]
    pd.DataFrame(counts, genes, samples).to_csv(folder / "c.tsv", sep="\t")
    common = f"""
        data = {{ path = "{folder}/m.tsv", obs = "{folder}/o.tsv", label = "pam50" }}
        normalize = {{ n_genes = 60 }}
        training = {{ epochs = 2, min_epochs = 0, min_batches = 1 }}
        evaluation = {{ seeds = 0 }}
        pictures = {{ maps = [] }}
    """
    plain = 'model = { name = "plier", latent_dim = 4, gene_sets = "sets.gmt" }\n'
    (folder / "r.toml").write_text(common + plain)
    swept = "[sweep.space]\ntraining.learning_rate = [1e-3, 2e-3]\n"
    (folder / "s.toml").write_text(common + "model = { latent_dim = 4 }\n" + swept)
    return folder


@pytest.mark.slow
def test_no_file_tells_where_somebody_works(place, command, tmp_path):
    out = tmp_path / "out"
    out.mkdir()

    def call(*words: object) -> None:
        done = command(*words)
        assert done.returncode == 0, done.stderr

    call("run", place / "r.toml", "--out", out / "run", "--threads", 1, "--quiet")
    call("run", "--data", place / "m.tsv", "--quick", "--out", out / "other", "--quiet")
    call(
        "score",
        "--run",
        out / "run",
        place / "new.tsv",
        "--report",
        out / "new",
        "-o",
        out / "n.tsv",
    )
    call("compare", out / "run", out / "other", "--out", out / "compared")
    with chdir(place):  # where the gene sets are, by which the model is trained again
        call("explain", out / "run", "--gene-sets", place / "sets.gmt", "--seeds", 1, "--quiet")
    call("report", out / "run", "--portable")
    call("bundle", out / "run", "--all", "--out", out / "run.zip")
    call("aberrant", place / "c.tsv", "--out", out / "aberrant", "--quiet")
    (out / "aberrant").rename(place / "cohort")
    call(
        *("aberrant", place / "c.tsv", "--using", place / "cohort", "--out", out / "aberrant"),
        "--quiet",
    )
    call("sweep", place / "s.toml", "--out", out / "sweep", "--quiet", "--threads", 1)
    call("normalize", place / "m.tsv", "--out", out / "n.h5ad", "--quiet")
    assert telling(out) == []
    about = json.loads((out / "run" / "run.json").read_text())
    assert about["recipe"]["data"]["path"] == "m.tsv"
    assert set(about["inputs"]) == {"data.path", "data.obs", "model.gene_sets"}
    assert "can be read back" in about["discloses"]
