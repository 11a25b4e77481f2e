"""Make a golden run folder: what this version writes and every later one must read.

    python tests/golden/make.py tests/golden/schema_5
    python tests/golden/make.py tests/golden/whole_5

Sixty tumours of the embedded cohort, forty genes: of a ``schema`` only what scores new samples, of
a ``whole`` a run that is also explained, drawn, verified and compared. Never make an existing
folder anew: add one when the schema rises.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from tybalt_like import Recipe, Run, io
from tybalt_like.io import datasets
from tybalt_like.report import PAGE
from tybalt_like.run.stages import analyse, run
from tybalt_like.run.told import tell


def make(out: Path) -> None:
    tables: dict[str, Any] = {"data": {"path": str(write_matrices(out))}}
    tables |= {"model": {"name": "tybalt", "latent_dim": 3}, "training": {"epochs": 40}}
    results = analyse(Recipe.from_tables(tables), device="cpu")
    results.save(out)
    tell(results, out, inputs={}, seconds={})
    io.write_table(Run.load(out).score(io.read(out / "new.tsv")), out / "scores.tsv")
    (out / "known.tsv").unlink()


def make_whole(out: Path) -> None:
    tables: dict[str, Any] = {"data": {"path": str(write_matrices(out))}}
    tables |= {"model": {"name": "pca", "latent_dim": 3}, "pictures": {"maps": []}}
    tables |= {"evaluation": {"seeds": 0}, "scores": {"folds": 5}}
    run(Recipe.from_tables(tables), out / "run", device="cpu")
    io.write_table(Run.load(out / "run").score(io.read(out / "new.tsv")), out / "scores.tsv")
    (out / "run" / PAGE).unlink()
    shutil.rmtree(out / "run" / "figures")


def write_matrices(out: Path) -> Path:
    adata = datasets.load("tcga_brca")[:80, :40]
    out.mkdir(parents=True)
    for name, some in {"known": adata[:60], "new": adata[60:]}.items():
        io.write_table(some.to_df().T.rename_axis("gene"), out / f"{name}.tsv")
    return out / "known.tsv"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (make_whole if folder.name.startswith("whole") else make)(folder)
