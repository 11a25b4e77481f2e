"""The benchmark of detectors: its protocol, its rows, and one's own data."""

import sys

import numpy as np
import pandas as pd
import pytest

from tybalt_like import benchmark, cli
from tybalt_like.benchmark.anomaly import DEFAULT, summary
from tybalt_like.benchmark.baselines import BASELINES
from tybalt_like.benchmark.rows import read_rows
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets


@pytest.fixture
def own_file(tmp_path):
    """Forty tumours of each of two subtypes, sixty genes."""
    adata = datasets.load("tcga_brca")
    kind = adata.obs["pam50"].astype(str)
    rows = [*np.flatnonzero(kind == "Luminal A")[:60], *np.flatnonzero(kind == "Basal-like")[:20]]
    adata = adata[rows, :60].to_memory()
    adata.obs = adata.obs[["pam50"]].astype(str)
    adata.write_h5ad(tmp_path / "my.h5ad")
    return tmp_path / "my.h5ad"


def call(*arguments: object, monkeypatch) -> int:
    monkeypatch.setattr(sys, "argv", ["tybalt-like", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_own_data_on_the_command_line(own_file, tmp_path, monkeypatch, capsys) -> None:
    rows_file = tmp_path / "rows.tsv.gz"
    options = ["benchmark", "anomaly", "--data", own_file, "--label", "pam50", "--seeds", 2]
    options += ["--detectors", DEFAULT, "--table", rows_file, "--quiet"]
    assert call(*options, "--normal", "Luminal A", monkeypatch=monkeypatch) == 2
    options += ["--normal", "Luminal A", "--anomaly", "Basal-like"]
    assert call(*options, monkeypatch=monkeypatch) == 0
    assert "my.h5ad -> Basal-like: 20 anomalies and 12 normal samples" in capsys.readouterr().out
    rows = read_rows(rows_file)
    assert {DEFAULT, *BASELINES} <= set(rows["detector"])
    assert all(seeds == [0, 1] for seeds in rows.groupby("detector")["seed"].apply(sorted))
    assert (rows["n_normal"] == 12).all()
    assert (rows["prevalence"] == 20 / 32).all()
    assert rows.loc[rows["detector"] == DEFAULT, "auroc"].min() > 0.8
    stamp = rows_file.stat().st_mtime_ns
    assert call(*options, monkeypatch=monkeypatch) == 0
    assert rows_file.stat().st_mtime_ns == stamp  # nothing is measured twice


def test_labels_that_do_not_exist_are_refused(own_file) -> None:
    with pytest.raises(DataError, match="no sample has pam50 = 'LumA'"):
        benchmark.of_file(str(own_file), label="pam50", normal=["LumA"], anomalies=["Basal-like"])


def test_negative_controls_are_not_in_the_summary() -> None:
    rows = pd.DataFrame(
        {
            "case": ["a", "a", "b", "b"],
            "anomaly": "x",
            "detector": [DEFAULT, "norm", DEFAULT, "norm"],
            "seed": 0,
            "n_normal": 5,
            "auroc": [0.8, 0.9, 0.1, 0.2],
            "flagged": 0.1,
            "nominal": 0.1,
            "seconds": 1.0,
            "ours": [True, False, True, False],
            "part": False,
            "remark": ["", "", "negative control", "negative control"],
        }
    )
    table = summary(rows)
    assert table["auroc"].to_dict() == {"norm": 0.9, DEFAULT: 0.8}
    assert table.loc[DEFAULT, "shortfall"] == pytest.approx(0.1)
