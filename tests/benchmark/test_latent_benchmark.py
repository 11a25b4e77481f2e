"""Encoders on one's own cohort."""

import sys

import pytest

from tybalt_like import cli
from tybalt_like.benchmark.latent import ENCODERS, of_file
from tybalt_like.benchmark.table import read_rows
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets


@pytest.fixture
def own_file(tmp_path):
    adata = datasets.load("tcga_brca")[:90, :50].to_memory()
    adata.obs = adata.obs[["pam50"]].astype(str)
    adata.write_h5ad(tmp_path / "my.h5ad")
    return tmp_path / "my.h5ad"


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_every_encoder_on_the_command_line(own_file, tmp_path, monkeypatch, capsys) -> None:
    words = ["benchmark", "latent", "--data", own_file, "--label", "pam50", "--seeds", "1"]
    words += ["--table", tmp_path / "rows.tsv", "--quiet"]
    monkeypatch.setattr(sys, "argv", ["tybalt-like", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert "my.h5ad, mean" in capsys.readouterr().out
    rows = read_rows(tmp_path / "rows.tsv")
    assert {"tybalt", "pca", "nmf", "chance"} <= set(rows["encoder"])
    assert set(rows["encoder"]) - set(ENCODERS) == {"genes", "permuted genes", "chance"}


def test_columns_that_do_not_exist_are_refused(own_file) -> None:
    with pytest.raises(DataError, match=r"no column 'stage'.*columns: pam50"):
        of_file(str(own_file), labels=["stage"])
