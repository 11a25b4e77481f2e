"""Home folders that cannot be written, as in containers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tybalt_like import cli

HOMES = [{"HOME": "/dev/null", "XDG_CACHE_HOME": ""}, {"HOME": ""}]
RUN_THEN_TELL = """
import os
from tybalt_like.cli import main
try:
    main()
finally:
    print(*(os.environ.get(name, "") for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR")), sep="\\n")
"""


@pytest.mark.slow
@pytest.mark.parametrize("home", HOMES)
def test_a_run_needs_no_home(home: dict[str, str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    genes, samples = [f"GENE{i}A" for i in range(60)], [f"P{i}" for i in range(30)]
    frame = pd.DataFrame(rng.gamma(2, 2, (60, 30)), index=genes, columns=samples)
    frame.rename_axis("gene").to_csv(tmp_path / "x.tsv", sep="\t")
    words = ["run", "--data", "x.tsv", "--out", "out", "--set", "model.name=pca"]
    words += ["--set", "evaluation.seeds=0", "--set", "pictures.maps=[]"]
    environment = {**os.environ, **home, "TMPDIR": str(tmp_path)}
    environment = {k: v for k, v in environment.items() if v or k != "HOME"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_THEN_TELL, *words],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").is_file()
    caches = [Path(line) for line in done.stdout.splitlines()[-2:]]
    if home["HOME"]:  # otherwise the system knows another
        assert all(cache.is_relative_to(tmp_path) for cache in caches)
        assert any(caches[1].iterdir())  # matplotlib's list of fonts


def test_caches_go_where_nobody_else_can_write(tmp_path: Path, monkeypatch) -> None:
    """numba runs what it finds in its cache."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/none")
    usual = tmp_path / f"tybalt_like-{os.getuid()}"
    usual.mkdir()
    for mode, is_trusted in ((0o700, True), (0o777, False)):
        usual.chmod(mode)
        for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
            monkeypatch.delenv(name, raising=False)
        cli._find_caches()
        assert (Path(os.environ["NUMBA_CACHE_DIR"]).parent == usual) is is_trusted
    assert Path(os.environ["MPLCONFIGDIR"]).parent.stat().st_mode & 0o077 == 0
