"""Encoders on one's own cohort."""

import pytest

from tybalt_like.benchmark.latent import of_file
from tybalt_like.benchmark.rows import read_rows
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets


@pytest.fixture
def own_file(tmp_path):
    adata = datasets.load("tcga_brca")[:90, :50].to_memory()
    adata.obs = adata.obs[["pam50"]].astype(str)
    adata.write_h5ad(tmp_path / "my.h5ad")
    return tmp_path / "my.h5ad"


@pytest.mark.usefixtures("one_thread")
def test_encoders_on_the_command_line(own_file, tmp_path, command) -> None:
    words = ["benchmark", "latent", "--data", own_file, "--label", "pam50", "--seeds", "1"]
    words += ["--table", tmp_path / "rows.tsv", "--quiet", "--encoders"]
    done = command(*words, "pca, linear autoencoder")
    assert done.returncode == 0, done.stderr
    assert "my.h5ad, mean" in done.stdout
    encoders = set(read_rows(tmp_path / "rows.tsv")["encoder"])
    assert encoders == {"pca", "linear autoencoder", "genes", "permuted genes", "chance"}
    assert "unknown encoder 'pcs'; known: pca" in command(*words, "pcs").stderr


def test_columns_that_do_not_exist_are_refused(own_file) -> None:
    with pytest.raises(DataError, match=r"no column 'stage'.*columns: pam50"):
        of_file(str(own_file), labels=["stage"])
