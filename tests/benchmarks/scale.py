"""What a run of a cohort as large as Tybalt's costs, stage by stage, and how that grows.

A matrix of so many samples and 5,000 genes (``20000x2000``: of 2,000) is made: programmes of genes
that samples share in other measure, 33 tumour types, noise of each gene. ``tybalt-like run`` takes
30 of the types for the reference, trains Tybalt for 20 epochs, for 4 beyond 10,459 samples, and
does all else that it usually does. ``100000x2000x5000`` holds 5,000 of the samples in memory
(``data.in_memory``); the others stay on disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tybalt_like.run.progress import Progress

SIZES = ("2500", "5000", "10459")
"""Samples; the last is the number of Tybalt's."""
TYBALT = 10_459
GENES, PROGRAMMES, TYPES, STRANGE = 5000, 60, 33, 3
EPOCHS, FEW = 20, 4
MEASURED = ("seconds", "processor_seconds", "peak_mib")
"""Columns; stages are joined by the rows ``all``, of the whole process, and ``helpers``."""
RUN = """
import json, resource, sys, time
start = time.perf_counter()
from contextlib import contextmanager
from pathlib import Path
from tybalt_like.run.progress import Progress

STATUS, found = Path("/proc/self/status"), {}

def peak():
    line = next(row for row in STATUS.read_text().splitlines() if row.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024

class Watched(Progress):
    @contextmanager
    def stage(self, name):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        begun = time.perf_counter(), time.process_time()
        with super().stage(name):
            yield
        found[name] = time.perf_counter() - begun[0], time.process_time() - begun[1], peak()
        print(name, *found[name], file=sys.stderr, flush=True)

from tybalt_like.run.recipe import Recipe
from tybalt_like.run.stages import run
run(Recipe.from_tables(json.loads(sys.argv[1])), Path(sys.argv[2]), progress=Watched())
theirs, most = resource.getrusage(resource.RUSAGE_CHILDREN), max(one[2] for one in found.values())
found["all"] = time.perf_counter() - start, time.process_time(), most
found["helpers"] = float("nan"), theirs.ru_utime + theirs.ru_stime, theirs.ru_maxrss / 1024
print(json.dumps(found))
"""


def scale(sizes: list[str] | None, *, seeds: int, progress: Progress) -> pd.DataFrame:
    """A row for each size and stage: ``seconds`` on the clock and of processors, ``peak_mib``."""
    rows = []
    for size in sizes or SIZES:
        n, *said = map(int, size.split("x"))
        genes, held = *said, *(GENES, 0)[len(said) :]
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder, progress.stage(size):
                found = measured(n, genes, held, Path(folder), seed=seed)
            rows += [
                {"samples": n, "genes": genes, "held": held or n, "seed": seed, "stage": stage}
                | dict(zip(MEASURED, one, strict=True))
                for stage, one in found.items()
            ]
    return pd.DataFrame(rows)


def measured(
    n: int, genes: int, held: int, folder: Path, *, seed: int
) -> dict[str, tuple[float, ...]]:
    """`MEASURED` by stage, of a run in a process of its own."""
    matrix = folder / "matrix.h5ad"
    write_matrix(matrix, n, genes, seed=seed)
    types = [f"type {i:02d}" for i in range(TYPES)]
    tables = {
        "data": {
            "path": str(matrix),
            "label": "type",
            "normal": types[STRANGE:],
            "anomalies": types[:STRANGE],
            **({"in_memory": held} if held else {}),
        },
        "model": {"name": "tybalt", "latent_dim": 100},
        "normalize": {"n_genes": genes, "scale": "zero_one"},
        "training": {
            "epochs": EPOCHS if n <= TYBALT else FEW,
            "batch_size": 50,
            "learning_rate": 1e-3,
        },
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(tables), str(folder / "run")],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, tuple[float, ...]] = json.loads(done.stdout.splitlines()[-1])
    return found


def write_matrix(path: Path, n: int, genes: int, *, seed: int) -> None:
    """log2 expression of n samples, with their types, sexes and centres."""
    from anndata import AnnData

    rng = np.random.default_rng(seed)
    type_n = rng.choice(TYPES, n, p=(share := rng.dirichlet(np.full(TYPES, 5.0))) / share.sum())
    active_cp = rng.gamma(0.5, 1.0, (TYPES, PROGRAMMES))
    activity_np = active_cp[type_n] * rng.gamma(4.0, 0.25, (n, PROGRAMMES))
    weight_pg = rng.normal(0, 1, (PROGRAMMES, genes)) * (rng.random((PROGRAMMES, genes)) < 0.15)
    x_ng = (activity_np @ weight_pg).astype(np.float32)
    x_ng += rng.normal(7, 2, genes).astype(np.float32)
    x_ng += rng.normal(0, 1, (n, genes)).astype(np.float32) * rng.gamma(4, 0.15, genes)
    obs = pd.DataFrame(
        {
            "type": [f"type {i:02d}" for i in type_n],
            "sex": rng.choice(["female", "male"], n),
            "centre": [f"centre {i}" for i in rng.choice(12, n)],
        },
        index=[f"sample {i}" for i in range(n)],
    )
    var = pd.DataFrame(index=[f"GENE{i}" for i in range(genes)])
    AnnData(np.maximum(x_ng, 0), obs=obs, var=var).write_h5ad(path)


def print_scale(rows: pd.DataFrame) -> None:
    """Seconds and MiB by stage and size, and the exponent by which seconds grow."""
    for what in MEASURED:
        table = rows.pivot_table(
            index="stage", columns=["samples", "genes", "held"], values=what, sort=False
        )
        shown = table.map("{:,.0f}".format if what == "peak_mib" else "{:,.1f}".format)
        if what != "peak_mib" and len(table.columns) > 1 and len(set(rows["genes"])) == 1:
            n = table.columns.get_level_values("samples").to_numpy(float)
            log_n, spent = np.log(n), table.clip(lower=1e-3)
            powers = [np.polyfit(log_n, np.log(row), 1)[0] for row in spent.to_numpy()]
            shown["exponent"] = [f"{power:.2f}" for power in powers]
        print(f"\n{what}\n{shown.to_string()}")
