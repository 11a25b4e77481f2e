"""SIGTERM, with which Slurm ends what has used up its time: nothing that was trained is lost."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.usefixtures("without_figures")
CHECKOUT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "tybalt_like"]
RECIPE = """
data = { path = "m.tsv" }
model = { name = "tybalt", latent_dim = 20 }
training = { epochs = 120, min_epochs = 1000 }
evaluation = { seeds = 0 }
pictures = { maps = [] }
"""
SWEEP = """
[sweep.space]
training.epochs = [3, 20000]
"""
COMPRESSION = """
data = { path = "m.tsv", obs = "o.tsv" }
[compression]
k = [2, 3]
seeds = 1
labels = ["pam50"]
[compression.models.tybalt]
training = { epochs = 20000, min_epochs = 20000 }
"""
PAIRS = ("--set", "perturbation.folds=3", "--set", "simulation.n_genes=60")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    adata = anndata.read_h5ad(CHECKOUT / "data" / "tcga_brca" / "tcga_brca.h5ad")[:160, :200]
    pd.DataFrame(adata.X.T, adata.var_names, adata.obs_names).to_csv(tmp_path / "m.tsv", sep="\t")
    adata.obs[["pam50"]].to_csv(tmp_path / "o.tsv", sep="\t")
    (tmp_path / "run.toml").write_text(RECIPE)
    (tmp_path / "sweep.toml").write_text(RECIPE + SWEEP)
    (tmp_path / "compression.toml").write_text(COMPRESSION)
    return tmp_path


def terminated(place: Path, *words: str, after: str, more: float) -> str:
    """What a command says that gets SIGTERM some time after it has said something; it ends with the
    exit code of a terminated process."""
    process = subprocess.Popen(
        [*COMMAND, *words, "--threads", "1"], cwd=place, stderr=subprocess.PIPE, text=True
    )
    said = ""
    while after not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    time.sleep(more)
    process.send_signal(signal.SIGTERM)
    said += process.communicate(timeout=100)[1]
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "Traceback" not in said
    assert "ended by SIGTERM" in said
    return said


@pytest.mark.slow
def test_a_run_goes_on_from_the_epoch_in_which_it_was_ended(place, command):
    words = ("run", "run.toml", "--out", "ended")
    said = terminated(place, *words, after="Training", more=0.5)
    checkpoint = place / "ended.partial" / "checkpoint.safetensors"
    assert checkpoint.is_file()  # none was due yet
    assert "the same command with --resume goes on" in said
    for name in ("ended", "whole"):
        words = ("run", "run.toml", "--out", name, "--resume", "--threads", 1)
        done = command(*words, cwd=place)
        assert done.returncode == 0, done.stderr
        assert ("goes on from what an interrupted run has kept" in done.stderr) == (name == "ended")
    for file in ("model.safetensors", "scores.tsv", "latent.tsv.gz"):
        assert (place / "ended" / file).read_bytes() == (place / "whole" / file).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "kind", "begun"),
    [("sweep", "sweep", "1 of 2: "), ("compress", "compression", "no compression.genesets")],
)
def test_studies_say_how_to_go_on(place, verb, kind, begun):
    if kind == "sweep":
        pytest.importorskip("optuna", reason="the extra 'sweep' is not installed")
    said = terminated(place, verb, f"{kind}.toml", "--out", "study", after=begun, more=0.5)
    assert "what is done is kept in study; the same command goes on" in said


@pytest.mark.slow
def test_trainings_of_pairs_are_kept(place, command):
    words = ("perturbation", "drvae_simulated", "--out", "pairs", *PAIRS)
    said = terminated(place, *words, after=" epochs, ", more=0.2)
    assert len(list((place / "pairs.partial" / "jobs").glob("*.npz"))) in {1, 2}
    assert "the same command with --resume goes on" in said
    done = command(*words, "--resume", "--threads", 1, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "trainings are done already" in done.stderr
    assert (place / "pairs" / "report.html").is_file()


def test_aberrant_counts_leave_nothing(place):
    rng = np.random.default_rng(0)
    counts = rng.negative_binomial(5, 0.01, (8000, 100))
    pd.DataFrame(counts, [f"g{i}" for i in range(8000)], [f"s{i}" for i in range(100)]).to_csv(
        place / "counts.tsv", sep="\t"
    )
    said = terminated(place, "aberrant", "counts.tsv", "--out", "found", after="Learning", more=0.1)
    assert "the same command starts anew" in said
    assert not list(place.glob("*found*"))


@pytest.mark.slow
def test_before_anything_is_trained_nothing_stays(place):
    said = terminated(place, "run", "run.toml", "--out", "early", after="Reading", more=0)
    assert "the same command starts anew" in said
    assert not list(place.glob("*early*"))
