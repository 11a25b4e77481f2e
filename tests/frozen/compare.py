"""Compare what `run.py` wrote with two versions of the code: every number of every table.

Prints a line per table that differs, and exits with 1 if one does by more than 1e-10 of its size.
Columns of seconds are left out.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

TABLES = ("*.tsv", "*.tsv.gz", "*.csv", "images.npz", "*/cells/*.npz", "*.h5ad")
LIMIT = 1e-10


def numbers(path: Path) -> dict[str, np.ndarray]:
    """Columns of numbers and of text, by name."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            return {name: file[name] for name in file.files if name != "about"}
    if path.suffix == ".h5ad":
        import anndata

        adata = anndata.read_h5ad(path)
        arrays = {f"obs {name}": column.to_numpy() for name, column in adata.obs.items()}
        arrays |= {f"obsm {name}": np.asarray(a) for name, a in adata.obsm.items()}
        return arrays | {"X": np.asarray(adata.X), "genes": adata.var_names.to_numpy(str)}
    sep = "," if ".csv" in path.name else "\t"
    table = pd.read_csv(path, sep=sep, keep_default_na=False, na_values=[""])
    if "metric" in table:
        table = table[table["metric"] != "seconds"]
    if path.name == "metrics.tsv" and "score" in table:  # before, both were one name
        score = table.pop("score")
        table.insert(
            0, "detector", table.pop("model").fillna("").str.cat(score, sep=" ").str.strip()
        )
    if "detector" in table:
        table = table.replace({"detector": {"norm of the standardised row": "norm"}})
        table = table.sort_values(["anomaly", "detector"])
    return {str(name): column.to_numpy() for name, column in table.items()}


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference relative to the largest value; infinite where text or gaps differ."""
    if one.shape != other.shape:
        return np.inf
    if one.dtype.kind not in "fiub" or other.dtype.kind not in "fiub":
        same = one.astype(str) == other.astype(str)
        return 0.0 if same.all() else np.inf
    a, b = one.astype(float), other.astype(float)
    if (np.isnan(a) != np.isnan(b)).any():
        return np.inf
    known = ~np.isnan(a)
    scale = np.abs(a[known]).max(initial=1e-300)
    return float(np.abs(a[known] - b[known]).max(initial=0) / scale)


def main(before: Path, after: Path) -> int:
    worst, n_tables, n_numbers = 0.0, 0, 0
    for pattern in TABLES:
        for path in sorted(before.rglob(pattern)):
            name = path.relative_to(before)
            new = Path(str(name).replace("cells/", "jobs/"))
            if "recipes" in name.parts or not (after / new).exists():
                print(f"{name}: missing")
                continue
            one, other = numbers(path), numbers(after / new)
            n_tables += 1
            for column, values in one.items():
                if "seconds" in column:
                    continue
                if column not in other:
                    print(f"{name}: no column {column!r}")
                    continue
                n_numbers += values.size
                apart = difference(values, other[column])
                worst = max(worst, apart)
                if apart:
                    print(f"{name}: {column} differs by {apart:.1e}")
    print(f"{n_tables} tables, {n_numbers:,} entries, largest relative difference {worst:.1e}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
