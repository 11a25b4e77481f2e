"""What is fuzzed: small files of every kind that is opened, and how."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import torch
from scipy import sparse
from scipy.io import mmwrite

import tybalt_like as ty
from tybalt_like import Recipe, Run, io, pp
from tybalt_like.aberrant.reference import Reference
from tybalt_like.core import folders
from tybalt_like.core.toml import tables_of

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "io"))
from damage import Target  # noqa: E402
from test_formats import FRAME, GENES, SAMPLES, TSV, WRITERS, X_NG  # noqa: E402

GOLDEN = sorted((TESTS / "golden").glob("schema_*"))[-1]
MEASURED = io.read(GOLDEN / "new.tsv")[:4].copy()


def digest(*parts: Any) -> bytes:
    return hashlib.sha256(flat(parts)).digest()


def flat(thing: Any) -> bytes:
    """Equal for equal contents: of arrays, tables, and what holds such."""
    if is_dataclass(thing):
        thing = vars(thing)
    if isinstance(thing, Mapping):
        return b"".join(repr(key).encode() + flat(value) for key, value in thing.items())
    if isinstance(thing, (tuple, list)):
        return b"".join(map(flat, thing))
    if isinstance(thing, pd.DataFrame):
        return thing.to_csv().encode()
    if isinstance(thing, torch.Tensor):
        thing = thing.numpy()
    if sparse.issparse(thing):
        thing = thing.toarray()
    return thing.tobytes() if isinstance(thing, np.ndarray) else repr(thing).encode()


def of_matrix(path: Path) -> bytes:
    adata = ty.read(path)
    return digest(adata.X, list(adata.obs_names), list(adata.var_names), adata.obs)


def sparse_h5ad(folder: Path) -> Path:
    """With text and categories in its tables, as scanpy leaves it."""
    obs = pd.DataFrame({"batch": pd.Categorical(list("abab")), "age": [1.5, 2, 3, 4]}, SAMPLES)
    adata = anndata.AnnData(sparse.csr_matrix(X_NG), obs=obs, var=pd.DataFrame(index=GENES))
    adata.layers["counts"] = adata.X.copy()
    adata.obsm["X_pca"], adata.uns["k"] = X_NG[:, :2], {"pca": {"variance": [1.0, 2.0]}}
    adata.raw = adata
    ty.io.write_h5ad(adata, folder / "m.h5ad")
    return folder / "m.h5ad"


def packed_h5ad(folder: Path) -> Path:
    adata = anndata.AnnData(np.tile(FRAME.astype("float32"), (1, 40)))
    adata.write_h5ad(folder / "m.h5ad", compression="gzip")
    return folder / "m.h5ad"


def mtx_folder(folder: Path) -> Path:
    mmwrite(folder / "matrix.mtx", sparse.coo_matrix(X_NG.T.astype(int)))
    (folder / "features.tsv").write_text(
        "".join(f"ENSG{i}\t{g}\tGene Expression\n" for i, g in enumerate(GENES))
    )
    (folder / "barcodes.tsv").write_text("\n".join(SAMPLES) + "\n")
    return folder


HEAD = ["%%matrixmarket", "matrix", "coordinate", "integer", "general"]


def matrix_market(path: Path) -> np.ndarray | None:
    """An independent, strict reader: the matrix, or None if the file is not valid."""
    raw = path.read_bytes()
    lines = raw.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[0].lower().split() != HEAD:
        return None
    body = [line.split() for line in lines[1:] if line.strip() and not line.startswith("%")]
    whole = re.compile(r"[+-]?\d+", re.ASCII)
    if not body or any(len(row) != 3 or not all(map(whole.fullmatch, row)) for row in body):
        return None
    (rows, columns, n), *entries = ([int(cell) for cell in row] for row in body)
    if (rows, columns) != (7, 4) or n != len(entries):
        return None
    x = np.zeros((rows, columns), np.float32)
    for i, j, value in entries:
        if not (1 <= i <= rows and 1 <= j <= columns):
            return None
        x[i - 1, j - 1] += value
    return x


def mtx_is_wrong(folder: Path) -> bool:
    x = matrix_market(folder / "matrix.mtx")
    return x is None or not np.array_equal(ty.read(folder).X.toarray(), x.T)


def npz(folder: Path) -> Path:
    pixels = np.arange(4 * 36, dtype=np.uint8).reshape(4, 6, 6)
    np.savez_compressed(folder / "m.npz", train_images=pixels, train_labels=np.arange(4))
    return folder / "m.npz"


def idx(folder: Path) -> Path:
    head = bytes([0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0, 6])
    (folder / "t-images-idx3-ubyte").write_bytes(head + bytes(range(144)))
    return folder / "t-images-idx3-ubyte"


OBS = pd.DataFrame({"label": list("xyxy"), "age": [1, 2, 3, 4.5]}, SAMPLES).rename_axis("sample")


def with_table(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "m.tsv").write_text(TSV)
        if name.endswith("xlsx"):
            OBS.reset_index().to_excel(folder / name, index=False)
        else:
            OBS.to_csv(folder / name, sep="\t")
        return folder / name

    return make


def of_table(path: Path) -> bytes:
    return digest(ty.read(path.with_name("m.tsv"), obs=path).obs)


def gmt(folder: Path) -> Path:
    text = "".join(f"SET{i}\thttp://x/{i}\t" + "\t".join(GENES[i:]) + "\n" for i in range(4))
    (folder / "s.gmt").write_text(text)
    return folder / "s.gmt"


def gene_list(folder: Path) -> Path:
    (folder / "genes.txt").write_text("# a panel\n" + "\n".join(GENES) + "\n")
    return folder / "genes.txt"


RECIPE = """
seed = 3
[data]
dataset = "tcga_brca"
label = "subtype"
normal = ["LumA", "LumB"]
[model]
name = "tybalt"
latent_dim = 20
[training]
epochs = 50
learning_rate = 5e-4
[scores]
fdr = 0.05
[profile.quick.training]
epochs = 3
"""


def recipe(folder: Path) -> Path:
    (folder / "r.toml").write_text(RECIPE)
    return folder / "r.toml"


def of_recipe(path: Path) -> bytes:
    return digest(Recipe.from_tables(tables_of(path, profile="quick")))


def normaliser(folder: Path) -> Path:
    shutil.copy(GOLDEN / "normaliser.json", folder / "normaliser.json")
    return folder / "normaliser.json"


def of_normaliser(path: Path) -> bytes:
    found = pp.Normaliser.load(path).transform(MEASURED)
    return digest(found.X, list(found.var_names))


def run_folder(folder: Path) -> Path:
    """As earlier versions wrote it, without checksums."""
    shutil.copytree(GOLDEN, folder / "run")
    return folder / "run"


def sealed_folder(folder: Path) -> Path:
    """With checksums."""
    with folders.whole_folder(folder / "run", kind="run", settings={}) as work:
        shutil.copytree(GOLDEN, work, dirs_exist_ok=True)
    return folder / "run"


def of_run(path: Path) -> bytes:
    """What was loaded, since scoring takes longer."""
    run = Run.load(path)
    scorers = [(one.normaliser, one.detector, one.domain) for one in run.scorers.values()]
    models = [run.model, *(one.model for one in run.scorers.values())]
    return digest(run.normaliser, run.norm, scorers, [one.state_dict() for one in models])


def no_p_values(path: Path) -> bool:
    """NaN where there were p-values, in silence: not because the samples seem to come from
    elsewhere, which is said."""
    found = Run.load(path).assess(MEASURED)
    told = found.verdict is not None and found.verdict.outcome in ("refused", "shifted")
    return not told and bool(found.scores.select_dtypes("number").isna().to_numpy().any())


def reference(folder: Path) -> Path:
    """A fitted cohort of `aberrant`."""
    rng = np.random.default_rng(0)
    counts = rng.negative_binomial(5, 0.05, (24, 30)).astype(np.float32)
    names = [f"s{i}" for i in range(24)], [f"g{i}" for i in range(30)]
    adata = anndata.AnnData(counts, pd.DataFrame(index=names[0]), pd.DataFrame(index=names[1]))
    Reference.fit(adata)[0].save(folder)
    return folder


def of_reference(path: Path) -> bytes:
    return digest(Reference.load(path))


TARGETS = {name: Target(make, of_matrix) for name, make in WRITERS.items()}
TARGETS["10x, folder of plain text"] = Target(mtx_folder, of_matrix, "*.mtx", mtx_is_wrong)
TARGETS |= {
    "h5ad, sparse": Target(sparse_h5ad, of_matrix),
    "h5ad, gzip": Target(packed_h5ad, of_matrix),
    "npz images": Target(npz, of_matrix),
    "IDX images": Target(idx, of_matrix),
    "sample table, tsv": Target(with_table("obs.tsv"), of_table, "obs.*"),
    "sample table, xlsx": Target(with_table("obs.xlsx"), of_table, "obs.*"),
    "GMT": Target(gmt, lambda path: digest(io.read_gmt(path))),
    "gene list": Target(gene_list, lambda path: digest(io.read_gene_list(path))),
    "recipe": Target(recipe, of_recipe),
    "normaliser.json": Target(normaliser, of_normaliser),
}
TARGETS["run folder"] = Target(run_folder, of_run, wrong=no_p_values)
TARGETS["run folder, checksums"] = Target(sealed_folder, of_run, wrong=lambda _: True)
TARGETS["cohort of aberrant"] = Target(reference, of_reference)
