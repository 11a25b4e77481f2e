"""Home folders that cannot be written, as in containers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HOMES = [{"HOME": "/dev/null", "XDG_CACHE_HOME": ""}, {"HOME": ""}]
RUN_THEN_UMAP = """
from tybalt_like.cli import main
try:
    main()
finally:
    import umap
"""
"""It is when it is imported that numba looks for a place; to compile it takes half a minute."""


@pytest.mark.slow
@pytest.mark.parametrize("home", HOMES)
def test_a_run_needs_no_home(home: dict[str, str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    genes, samples = [f"GENE{i}A" for i in range(60)], [f"P{i}" for i in range(30)]
    frame = pd.DataFrame(rng.gamma(2, 2, (60, 30)), index=genes, columns=samples)
    frame.rename_axis("gene").to_csv(tmp_path / "x.tsv", sep="\t")
    words = ["run", "--data", "x.tsv", "--out", "out", "--set", "model.name=pca"]
    words += ["--set", "evaluation.seeds=0", "--set", "pictures.maps=['tsne']"]
    environment = {**os.environ, **home, "TMPDIR": str(tmp_path)}
    environment = {k: v for k, v in environment.items() if v or k != "HOME"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_THEN_UMAP, *words],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").is_file()
