"""Make a golden run folder: what this version writes and every later one must read.

    python tests/golden/make.py tests/golden/schema_5

Sixty tumours of the embedded cohort, forty genes. Never make an existing folder anew: add one when
the schema rises.
"""

import sys
from pathlib import Path
from typing import Any

from tybalt_like import Recipe, Run, io
from tybalt_like.io import datasets
from tybalt_like.run.stages import analyse
from tybalt_like.run.told import tell


def make(out: Path) -> None:
    adata = datasets.load("tcga_brca")[:80, :40]
    out.mkdir(parents=True)
    known, new = adata[:60], adata[60:]
    io.write_table(known.to_df().T.rename_axis("gene"), out / "known.tsv")
    io.write_table(new.to_df().T.rename_axis("gene"), out / "new.tsv")
    tables: dict[str, Any] = {"data": {"path": str(out / "known.tsv")}}
    tables |= {"model": {"name": "tybalt", "latent_dim": 3}, "training": {"epochs": 40}}
    results = analyse(Recipe.from_tables(tables), device="cpu")
    results.save(out)
    tell(results, out, inputs={}, seconds={})
    io.write_table(Run.load(out).score(io.read(out / "new.tsv")), out / "scores.tsv")
    (out / "known.tsv").unlink()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
