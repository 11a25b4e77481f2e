"""Encoders on one's own cohort."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import sem

from tybalt_like.benchmark import latent, print_latent
from tybalt_like.benchmark.latent import ROTATED, of_file, summary
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
    assert "nan" not in done.stdout
    encoders = set(read_rows(tmp_path / "rows.tsv")["encoder"])
    controls = {"genes", "permuted genes", "chance", ROTATED}
    assert encoders == {"pca", "linear autoencoder"} | controls
    assert "unknown encoder 'pcs'; known: pca" in command(*words, "pcs").stderr


def test_columns_that_do_not_exist_are_refused(own_file) -> None:
    with pytest.raises(DataError, match=r"no column 'stage'.*columns: pam50"):
        of_file(str(own_file), labels=["stage"])


@pytest.mark.usefixtures("one_thread")
def test_a_rotation_changes_the_axes_and_no_distance(own_file) -> None:
    rows = latent([of_file(str(own_file), labels=["pam50"])], seeds=1, encoders=["pca"])
    apart = rows[rows["encoder"] == ROTATED].set_index("metric")["minus_pca"]
    assert apart["knn_balanced_accuracy"] == 0
    assert apart["linear_balanced_accuracy"] != 0


@pytest.mark.usefixtures("one_thread")
def test_no_encoder_has_more_features_than_there_are_genes(tmp_path, command) -> None:
    adata = datasets.load("tcga_brca")[:90, :12].to_memory()
    adata.obs = adata.obs[["pam50"]].astype(str)
    adata.write_h5ad(tmp_path / "panel.h5ad")
    words = ["benchmark", "latent", "--data", tmp_path / "panel.h5ad", "--label", "pam50"]
    done = command(*words, "--seeds", "1", "--encoders", "pca, ica")
    assert done.returncode == 0, done.stderr
    assert "12 features: as many as genes, 12" in done.stderr


def probed(gain_dl: dict[str, list[float]], *, seeds: int) -> pd.DataFrame:
    """Rows of an encoder that is that much better than PCA, by cohort and label."""
    rng, rows = np.random.default_rng(0), []
    for dataset, gains in gain_dl.items():
        for (label, gain), seed in itertools.product(enumerate(gains), range(seeds)):
            for probe in ("linear", "knn"):
                metric, pca = f"{probe}_balanced_accuracy", rng.uniform(0.4, 0.6)
                told = (dataset, seed, metric, f"label {label}")
                rows += [("pca", *told, pca, np.nan), ("mine", *told, pca + gain, gain)]
    columns = ["encoder", "dataset", "seed", "metric", "column", "value", "minus_pca"]
    return pd.DataFrame(rows, columns=columns)


def test_cohorts_are_the_units_of_errors_and_seeds_are_not() -> None:
    gains = {"a": [0.1, 0.3], "b": [0.0], "c": [0.05]}
    for seeds in (1, 7):
        mine = summary(probed(gains, seeds=seeds)).loc["mine"]
        assert mine["minus_pca"] == pytest.approx(np.mean([0.2, 0.0, 0.05]))
        assert mine["standard_error"] == pytest.approx(sem([0.2, 0.0, 0.05]))
        assert (mine["worst"], mine["cohorts"], mine["labels"]) == (0, 3, 4)
    alone = summary(probed({"a": [0.1, 0.3]}, seeds=5)).loc["mine"]
    assert alone["standard_error"] == pytest.approx(sem([0.1, 0.3]))


def test_one_label_has_no_error(capsys) -> None:
    print_latent(probed({"a": [0.1]}, seeds=1))
    shown = capsys.readouterr().out
    assert "+0.100" in shown
    assert "nan" not in shown
