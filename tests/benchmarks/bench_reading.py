"""Speed and memory of `tybalt_like.read` beside `pandas.read_csv` on the same tsv.gz.

Usage: python tests/benchmarks/bench_reading.py [--repeats 3] [--scale 1.0] [--json FILE]

Each reading is a fresh process, so that peak memory is its own; the two readers take turns, so
that a busy machine slows both. Prints one row per table and exits with 1 if a bound is not met.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

# name: (rows, columns, genes in rows, at least this many times as fast as pandas)
TABLES = {
    "samples in rows": (2092, 20530, False, 3.0),
    "genes in rows": (4106, 10459, True, 2.5),
}
MEMORY = 3.5  # peak, in units of the float32 matrix

READ = """
import resource, sys, time
import numpy as np
path, transposed = sys.argv[1], sys.argv[2] == "True"
if sys.argv[3] == "ours":
    import anndata
    import tybalt_like.io as io
    start = time.perf_counter()
    x = io.read(path, genes_in="rows" if transposed else "columns").X
else:
    import pandas as pd
    start = time.perf_counter()
    x = pd.read_csv(path, sep="\\t", index_col=0).to_numpy(np.float32)
    x = x.T if transposed else x
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
digest = hash(np.ascontiguousarray(x).tobytes())
print(seconds, peak, x.nbytes, digest)
"""


def write_table(path: Path, n_rows: int, n_columns: int, *, genes_in_rows: bool) -> None:
    """Four decimals, a tenth of them zero, like log2(x + 1) of RNA-seq."""
    rng = np.random.default_rng(0)
    names = [f"TCGA-AA-{i:04d}-01" for i in range(20_000)], [f"GENE{i}" for i in range(21_000)]
    columns, rows = names if genes_in_rows else names[::-1]
    with gzip.open(path, "wt", compresslevel=6) as file:
        file.write("\t".join(["id", *columns[:n_columns]]) + "\n")
        for i in range(n_rows):
            x = np.where(rng.random(n_columns) < 0.1, 0, rng.gamma(4, 2, n_columns))
            file.write("\t".join([rows[i], *(f"{value:.4f}" for value in x)]) + "\n")


def measure(path: Path, *, transposed: bool, reader: str) -> tuple[float, float, float, str]:
    """Seconds, peak bytes, bytes of the matrix and a digest of its values."""
    command = [sys.executable, "-c", READ, str(path), str(transposed), reader]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "0"}
    )
    seconds, peak, size, digest = done.stdout.split()
    return float(seconds), float(peak), float(size), digest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of both sides of the tables")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results, met = [], True
    print("table\tpandas s\tours s\ttimes as fast\tpeak / matrix\tvalues equal")
    for name, (n_rows, n_columns, genes_in_rows, wanted) in TABLES.items():
        shape = int(n_rows * options.scale), int(n_columns * options.scale)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.tsv.gz"
            write_table(path, *shape, genes_in_rows=genes_in_rows)
            runs = [
                [measure(path, transposed=genes_in_rows, reader=r) for r in ("pandas", "ours")]
                for _ in range(options.repeats)
            ]
        theirs, ours = ([run[side] for run in runs] for side in (0, 1))
        seconds = median(run[0] for run in theirs), median(run[0] for run in ours)
        memory = max(run[1] / run[2] for run in ours)
        equal = len({run[3] for run in theirs + ours}) == 1
        row = {
            "table": name,
            "pandas_seconds": seconds[0],
            "seconds": seconds[1],
            "times_as_fast": seconds[0] / seconds[1],
            "peak_per_matrix": memory,
            "equal": equal,
        }
        results.append(row)
        met &= equal and memory < MEMORY and row["times_as_fast"] >= wanted
        print(
            f"{name}\t{seconds[0]:.2f}\t{seconds[1]:.2f}\t{row['times_as_fast']:.2f} "
            f"(>= {wanted})\t{memory:.2f} (< {MEMORY})\t{equal}"
        )
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
