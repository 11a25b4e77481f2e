"""Training, embedding and scoring from a matrix on disk, in a process that may use 2 GB.

Samples x 5,000 genes on the 0 to 1 scale (programmes as in ``scale``) are written in pieces,
as h5ad and as zarr (version 3, sharded), in blocks of 64 samples, without compression. Parts:

- ``rates``: an epoch of Tybalt on 20,000 samples in memory and on disk, in turns; ratios are of
  one turn, so that a machine whose speed drifts favours none;
- ``shuffling``: validation loss after some epochs, samples in memory, on disk, and on disk sorted
  by type;
- ``coreset``, ``coreset, cross-fitted``, ``coreset of images``: AUROC of views that know but some
  of the training samples (`coreset`);
- ``limited h5ad``, ``limited zarr``: one epoch on 200,000 samples, their latents and scores, and
  ``tybalt-like score`` of them by a finished run, in processes with RLIMIT_DATA (what they
  allocate, their libraries included) of 2 GB;
- ``long``: the same with 200 genes, for what grows with the samples.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anndata.io
import h5py
import numpy as np
import pandas as pd
import torch
import zarr
from anndata import AnnData
from coreset import coreset, cross_fitted, print_coreset
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from tybalt_like import Recipe, pp, tl
from tybalt_like.core import keys
from tybalt_like.io.datasets import load
from tybalt_like.models import Model, Training
from tybalt_like.run.progress import Progress
from tybalt_like.run.stages import run
from tybalt_like.tl.stored import StoredInputs
from tybalt_like.training.loop import train
from tybalt_like.training.rows import Resident
from tybalt_like.training.seed import seeded

PARTS = (
    *("rates", "shuffling", "coreset", "coreset, cross-fitted", "coreset of images"),
    *("limited h5ad", "limited zarr", "long"),
)
FEW, MANY, KNOWN, LIMIT = 20_000, 200_000, 2_000, 2_000_000_000
GENES, NARROW, PROGRAMMES, TYPES, BLOCK, SHARD = 5000, 200, 60, 33, 64, 2048
EPOCHS = 5
"""Of ``shuffling``."""
CORESETS_OF_IMAGES, DIGITS = (300, 1000, 3000), ("1", "4", "8")
FORMATS = ("h5ad", "zarr")
MEASURED = ("seconds", "processor_seconds", "peak_mib")
NUMBERS = (
    *(*MEASURED, "rate", "processor", "loss", "auroc", "size", "seed", "train"),
    *("normal", "p_05", "p_01"),
)
SPLITS = {keys.TRAIN: 0.6, keys.VALIDATION: 0.05, keys.CALIBRATION: 0.15, keys.QUERY: 0.2}
MEASURE = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]),) * 2)
from pathlib import Path

STATUS, found = Path("/proc/self/status"), {}

def measured(stage, work):
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    start, spent = time.perf_counter(), time.process_time()
    result = work()
    line = next(row for row in STATUS.read_text().splitlines() if row.startswith("VmHWM:"))
    seconds, peak = time.perf_counter() - start, int(line.split()[1]) / 1024
    found[stage] = seconds, time.process_time() - spent, peak
    print(stage, *found[stage], file=sys.stderr, flush=True)
    return result
"""
VERBS = """
from tybalt_like import pp, tl
from tybalt_like.models import Training
adata = measured("open", lambda: pp.open_backed(sys.argv[2]))
training = Training(epochs=1, patience=None)
fit = lambda: tl.fit(adata, model="tybalt", latent_dim=100, training=training, progress=False)
model = measured("train and embed", fit)
measured("embed", lambda: tl.latent(adata, model))
n_train = int(sys.argv[3]) or None
measured("score", lambda: tl.score(adata, model=model, n_train=n_train))
print(json.dumps(found))
"""
COMMAND = """
from tybalt_like import cli
def score():
    try:
        cli.main()
    except SystemExit as end:
        if end.code:
            raise
sys.argv = ["tybalt-like", "score", "--run", *sys.argv[3:], sys.argv[2]]
measured("command", score)
print(json.dumps(found))
"""


def out_of_core(parts: list[str] | None, *, seeds: int, progress: Progress) -> pd.DataFrame:
    """Rows of `PARTS`; ``seeds`` turns or trainings each."""
    measure: dict[str, Callable[[Path, int], Iterator[dict[str, object]]]] = {
        "rates": _rates,
        "shuffling": _shuffling,
        "coreset": lambda _, seeds: coreset(seeds),
        "coreset, cross-fitted": lambda _, seeds: cross_fitted(seeds),
        "coreset of images": _coreset_of_images,
        "limited h5ad": lambda folder, _: _limited(folder, "h5ad"),
        "limited zarr": lambda folder, _: _limited(folder, "zarr"),
        "long": _long,
    }
    rows: list[dict[str, object]] = []
    for part in parts or PARTS:
        with tempfile.TemporaryDirectory() as folder, progress.stage(part):
            for row in measure[part](Path(folder), seeds):
                progress.say(str(row))
                rows.append({"part": part} | row)
    return pd.DataFrame(rows)


def _rates(folder: Path, seeds: int) -> Iterator[dict[str, object]]:
    """Samples a second of the loop alone, and seconds of processors."""
    where = torch.device("cpu")
    model = Model.create("tybalt", GENES, latent_dim=100)
    backed = [pp.open_backed(write(folder / f"m.{suffix}", FEW)) for suffix in FORMATS]
    all_n = np.ones(FEW, dtype=bool)
    stored = [StoredInputs(adata, model).rows(all_n, where) for adata in backed]
    in_memory = Resident({"x_ng": torch.from_numpy(stored[0].read(np.arange(FEW)))})
    for turn in range(seeds + 1):
        for kind, rows in zip(("memory", *FORMATS), (in_memory, *stored), strict=True):
            start, spent = time.perf_counter(), time.process_time()
            with seeded(0):
                train(model, rows, training=Training(epochs=1, patience=None))
            row = {
                "rate": FEW / (time.perf_counter() - start),
                "processor": time.process_time() - spent,
            }
            if turn:  # the first warms up
                yield {"kind": kind, "seed": turn} | row


def _shuffling(folder: Path, seeds: int) -> Iterator[dict[str, object]]:
    """Validation loss after `EPOCHS`."""
    backed = pp.open_backed(write(folder / "m.h5ad", FEW))
    by_type = pp.open_backed(write(folder / "sorted.h5ad", FEW, by_type=True))
    kinds = {"memory": backed.to_memory(), "h5ad": backed, "h5ad, sorted": by_type}
    training = Training(epochs=EPOCHS, patience=None)
    for seed in range(seeds):
        for kind, adata in kinds.items():
            model = tl.fit(
                adata, model="tybalt", latent_dim=100, training=training, seed=seed, progress=False
            )
            yield {"kind": kind, "seed": seed, "loss": model.history.rows[-1]["val_loss"]}


def _coreset_of_images(folder: Path, seeds: int) -> Iterator[dict[str, object]]:  # noqa: ARG001
    """AUROC of views that know but some of 10,000 digits, where one digit is to be found: no suite
    of transcriptomes has as many."""
    images = load("mnist")
    for digit in DIGITS:
        rng = np.random.default_rng(int(digit))
        is_it_n = np.asarray(images.obs["label"].astype(str) == digit)
        usual_n, found_n = (rng.permutation(np.flatnonzero(n)) for n in (~is_it_n, is_it_n))
        parts = {keys.TRAIN: 10_000, keys.CALIBRATION: 500, keys.TEST: 500}
        rows = np.concatenate([usual_n[: sum(parts.values())], found_n[:500]])
        adata = images[rows].copy()
        adata.obs[keys.SPLIT] = np.repeat([*parts, keys.QUERY], [*parts.values(), 500])
        for size, auroc in _of_coresets(adata, CORESETS_OF_IMAGES):
            about = {"group": f"digit {digit}", "task": digit, "train": 10_000, "seed": 0}
            yield about | {"size": size, "auroc": auroc}


def _of_coresets(adata: AnnData, sizes: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    """AUROC of the query against tests by size of the coreset, 0 for all."""
    model = tl.fit(adata, model="pca", latent_dim=20)
    split_n = adata.obs[keys.SPLIT].astype(str)
    tested_n = split_n.isin([keys.TEST, keys.QUERY])
    for size in (*sizes, None):
        tl.score(adata, model=model, n_train=size)
        score_n = adata.obs[keys.score("pca", "combined")]
        yield size or 0, roc_auc_score(split_n[tested_n] == keys.QUERY, score_n[tested_n])


def _limited(folder: Path, suffix: str) -> Iterator[dict[str, object]]:
    """Seconds, also of processors, and the peak of memory in MiB by stage; one run."""
    finished = _run_of(folder, GENES)
    yield from _stages(write(folder / f"m.{suffix}", MANY), finished)


def _long(folder: Path, seeds: int) -> Iterator[dict[str, object]]:  # noqa: ARG001
    """The same of as many samples of few genes: what grows with the samples."""
    finished = _run_of(folder, NARROW)
    yield from _stages(write(folder / "m.h5ad", MANY, genes=NARROW), finished, n_train=KNOWN)


def _stages(path: Path, run: Path, *, n_train: int = 0) -> Iterator[dict[str, object]]:
    """What is measured of a file, which is then removed."""
    made = ["--out", str(run.with_name("scores.tsv")), "--genes", str(run.with_name("genes.tsv"))]
    for code, more in ((VERBS, [str(n_train)]), (COMMAND, [str(run), *made])):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE + code, str(LIMIT), str(path), *more],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        for stage, found in json.loads(done.stdout.splitlines()[-1]).items():
            row = {"kind": path.suffix[1:], "stage": stage}
            yield row | dict(zip(MEASURED, found, strict=True))
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _run_of(folder: Path, genes: int) -> Path:
    """A run on a few samples of the same kind, all of them its reference."""
    known = write(folder / "known.h5ad", KNOWN, genes=genes)
    tables = {
        "data": {"path": str(known)},
        "model": {"name": "pca", "latent_dim": 20},
        "evaluation": {"seeds": 0},
        "pictures": {"maps": []},
    }
    run(Recipe.from_tables(tables), folder / "run", device="cpu")
    return folder / "run"


def write(path: Path, n: int, *, genes: int = GENES, by_type: bool = False) -> Path:
    """Samples with types and splits; `by_type` puts those of a type together."""
    rng = np.random.default_rng(0)
    type_n = rng.choice(TYPES, n, p=(share := rng.dirichlet(np.full(TYPES, 5.0))) / share.sum())
    active_cp = rng.gamma(0.5, 1.0, (TYPES, PROGRAMMES))
    weight_pg = rng.normal(0, 1, (PROGRAMMES, genes)) * (rng.random((PROGRAMMES, genes)) < 0.15)
    split_n = rng.choice(list(SPLITS), n, p=list(SPLITS.values()))
    order_n = np.argsort(type_n, kind="stable") if by_type else np.arange(n)

    def profiles(rows: NDArray[np.intp]) -> NDArray[np.float32]:
        activity_np = np.stack(
            [np.random.default_rng(row).gamma(4.0, 0.25, PROGRAMMES) for row in rows]
        )
        programme_np = (active_cp[type_n[rows]] * activity_np).astype(np.float32)
        x_ng = np.random.default_rng(rows[0]).standard_normal((len(rows), genes), np.float32)
        x_ng = 0.6 * x_ng + programme_np @ weight_pg.astype(np.float32)
        return np.asarray(1 / (1 + np.exp(-x_ng / 2)))

    obs = pd.DataFrame({"type": type_n.astype(str), keys.SPLIT: split_n})
    obs = obs.iloc[order_n].set_axis([f"sample {i}" for i in range(n)], axis=0)
    frame = AnnData(obs=obs, var=pd.DataFrame(index=[f"GENE{i}" for i in range(genes)]))
    with _matrix(path, frame) as matrix:
        for start in range(0, n, SHARD):
            rows = order_n[start : start + SHARD]
            matrix[start : start + len(rows)] = profiles(rows)
    return path


@contextmanager
def _matrix(path: Path, frame: AnnData) -> Iterator[Any]:
    """The empty matrix of a file with the sample and gene tables of `frame`."""
    about = {"encoding-type": "array", "encoding-version": "0.2.0"}
    how = {"shape": frame.shape, "dtype": np.float32, "chunks": (BLOCK, frame.n_vars)}
    if path.suffix == ".h5ad":
        frame.write_h5ad(path)
        with h5py.File(path, "r+") as file:
            file.pop("X", None)
            matrix = file.create_dataset("X", **how)
            matrix.attrs.update(about)
            yield matrix
        return
    group = zarr.open_group(path, mode="w", zarr_format=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr and anndata about each other
        anndata.io.write_elem(group, "obs", frame.obs)
        anndata.io.write_elem(group, "var", frame.var)
    how |= {"shards": (SHARD, frame.n_vars), "compressors": None, "attributes": about}
    yield group.create_array("X", **how)


def print_out_of_core(rows: pd.DataFrame) -> None:
    """A table for each part."""
    numbers = [name for name in NUMBERS if name in rows]
    rows = rows.assign(**{name: pd.to_numeric(rows[name], errors="coerce") for name in numbers})
    for part, of_part in rows.groupby("part", sort=False):
        print(f"\n{part}")
        if part == "rates":
            turns = of_part.pivot_table(index="seed", columns="kind", values="rate", sort=False)
            ratio = turns.div(turns["memory"], axis=0).median()
            spent = of_part.groupby("kind", sort=False)["processor"].median()
            for kind, rate in turns.median().items():
                print(
                    f"{kind:7} {rate:8,.0f} samples/s, {ratio[kind]:.2f} of memory; "
                    f"{spent[kind] / FEW * 1e6:,.0f} microseconds of processors each"
                )
        elif part == "shuffling":
            trainings = of_part.pivot_table(index="seed", columns="kind", values="loss", sort=False)
            apart = trainings.sub(trainings["memory"], axis=0)
            for kind in trainings:
                print(
                    f"{kind:13} {trainings[kind].mean():9.3f} (sd {trainings[kind].std():.3f}), "
                    f"{apart[kind].mean():+.3f} (sd {apart[kind].std():.3f}) of memory"
                )
        elif part.startswith("coreset") and part != "coreset of images":
            print_coreset(of_part)
        elif part == "coreset of images":
            whole = of_part.astype({"size": int, "seed": int, "train": int})
            seeds = whole.pivot_table(
                index=["group", "task", "train", "seed"], columns="size", values="auroc"
            )
            lost = seeds.sub(seeds[0], axis=0).groupby("group").mean()
            shown = seeds.groupby("group").mean().rename(columns={0: "all"})
            print(shown.map("{:.3f}".format).to_string())
            for size in lost.columns.drop(0):
                error = lost[size].std() / len(lost) ** 0.5
                print(f"{size}: {lost[size].mean():+.4f} +- {error:.4f} over {len(lost)} groups")
        else:
            shown = of_part.set_index(["kind", "stage"])[list(MEASURED)]
            print(shown.map("{:,.0f}".format).to_string())
