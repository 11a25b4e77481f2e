"""Scripts for Slurm and the profile for Snakemake, where there is no cluster: jobs are carried out
here, one after the other."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from test_shards import cohort

from tybalt_like import Recipe
from tybalt_like.core import toml
from tybalt_like.core.rows import ROWS
from tybalt_like.io.datasets import PIPELINES
from tybalt_like.run.stages import run

pytestmark = pytest.mark.usefixtures("module_without_figures")
CLUSTER = PIPELINES / "cluster"
SCRIPTS = sorted([*CLUSTER.glob("*.slurm"), *CLUSTER.glob("*.sh")])
SBATCH = """#!/bin/bash
# Carries out what is submitted, every task of an array; keeps the order in jobs.txt.
array= here=$(dirname "$0")
while [[ ${1:-} == -* ]]; do
    [[ $1 == --array=* ]] && array=${1#--array=}
    [[ $1 == --dependency=* ]] && echo "$1" >> "$here/jobs.txt"
    shift
done
echo "$(basename "$1") $array" >> "$here/jobs.txt"
if [ -n "$array" ]; then
    for task in $(seq "${array%-*}" "${array#*-}"); do
        SLURM_ARRAY_TASK_ID=$task SLURM_CPUS_PER_TASK=1 bash "$@" >&2 || exit 1
    done
else
    bash "$@" >&2 || exit 1
fi
echo "7;cluster"
"""
PROGRAMS = {
    "sbatch": SBATCH,
    "srun": '#!/bin/bash\nexec "$@"\n',
    "scontrol": '#!/bin/bash\necho "$@" >> "$(dirname "$0")/asked.txt"\n',
    "tybalt-like": f'#!/bin/bash\nexec {sys.executable} -m tybalt_like "$@"\n',
}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """What a cluster has on its path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in PROGRAMS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def environment(programs: Path) -> Mapping[str, str]:
    return os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and a file of two shards."""
    folder = tmp_path_factory.mktemp("cluster")
    cohort(60, 5).write_h5ad(folder / "known.h5ad")
    cohort(ROWS + 9, 6).write_h5ad(folder / "new.h5ad")
    tables = {
        "data": {"path": str(folder / "known.h5ad")},
        "model": {"name": "pca", "latent_dim": 4},
        "evaluation": {"seeds": 0},
        "pictures": {"maps": []},
    }
    run(Recipe.from_tables(tables), folder / "run", device="cpu")
    return folder


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_can_be_parsed(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.slow
def test_a_job_array_scores_and_a_job_merges(folder, programs, command, tmp_path) -> None:
    done = subprocess.run(
        [CLUSTER / "score.sh", folder / "run", folder / "new.h5ad", tmp_path / "scores", "2"],
        env=environment(programs), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    jobs = (programs / "jobs.txt").read_text().splitlines()
    assert jobs == ["shard.slurm 1-2", "--dependency=afterok:7", "merge.slurm "]
    whole = ["--out", tmp_path / "whole.tsv", "--genes", tmp_path / "genes.tsv.gz", "--threads", 1]
    command("score", "--run", folder / "run", folder / "new.h5ad", *whole)
    for name, other in (("scores.tsv", "whole.tsv"), ("genes.tsv.gz", "genes.tsv.gz")):
        assert (tmp_path / "scores" / name).read_bytes() == (tmp_path / other).read_bytes()


@pytest.mark.slow
def test_training_goes_on_after_the_time_limit(folder, programs, tmp_path) -> None:
    tables = {
        "data": {"path": str(folder / "known.h5ad")},
        "model": {"name": "tybalt", "latent_dim": 4},
        "training": {"epochs": 500, "min_epochs": 5000},
        "evaluation": {"seeds": 0},
        "pictures": {"maps": []},
    }
    (tmp_path / "recipe.toml").write_text(toml.document(tables))
    words = ["bash", CLUSTER / "train.slurm", "recipe.toml", "--out", "out", "--threads", "1"]

    def job() -> subprocess.Popen[str]:
        return subprocess.Popen(
            words, cwd=tmp_path, env=environment(programs), stderr=subprocess.PIPE, text=True
        )

    first, said = job(), ""
    while "Training" not in said:
        line = first.stderr.readline()
        assert line, said
        said += line
    time.sleep(1)
    first.send_signal(signal.SIGTERM)  # to the script, as --signal=B:TERM does
    said += first.communicate(timeout=120)[1]
    assert first.returncode == 143, said
    assert (programs / "asked.txt").read_text() == "requeue 7\n"
    assert not (tmp_path / "out").exists()
    again = job()
    said = again.communicate(timeout=300)[1]
    assert again.returncode == 0, said
    assert (tmp_path / "out" / "report.html").exists()
    assert (programs / "asked.txt").read_text() == "requeue 7\n"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """That for Slurm, but for the plugin that submits."""
    text = (CLUSTER / "profile" / "config.yaml").read_text()
    assert "\nexecutor: slurm\n" in text
    folder = tmp_path / "profile"
    folder.mkdir()
    (folder / "config.yaml").write_text(text.replace("\nexecutor: slurm\n", "\n"))
    return folder


SWEEP_RUNS_AND_SCORE = ["recipe=sweep_brca", "workers=3", "recipes=tybalt_brca", "seeds=2"]
SWEEP_RUNS_AND_SCORE += ["run=r", "matrix=m.h5ad", "shards=5"]


def snakemake(cwd: Path, *words: object) -> str:
    pytest.importorskip("snakemake", reason="snakemake is not installed")
    command = [sys.executable, "-m", "snakemake", "-s", PIPELINES / "Snakefile", *words]
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("targets", "config", "jobs"),
    [
        (["compression"], ["recipe=compress_k"], {"compression": 1}),
        (["perturbation"], ["recipe=drvae_simulated"], {"perturbation": 1}),
        (  # these ask no command what there is to do: one plan is enough
            ["sweep", "runs", "score"],
            SWEEP_RUNS_AND_SCORE,
            {"worker": 3, "sweep": 1, "run": 2, "shard": 5, "merge": 1},
        ),
    ],
)
def test_the_profile_plans_every_target(profile, tmp_path, targets, config, jobs) -> None:
    command = f"command={sys.executable} -m tybalt_like"
    said = snakemake(tmp_path, *targets, "-n", "--profile", profile, "--config", command, *config)
    planned = dict(line.split()[:2] for line in said.splitlines() if len(line.split()) == 2)
    for rule, n in jobs.items():
        assert planned[rule] == str(n), said
    assert "mem_mb=8000" in said


@pytest.mark.slow
def test_snakemake_scores_and_merges(folder, profile, command, tmp_path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    config = [f"run={folder / 'run'}", f"matrix={folder / 'new.h5ad'}", "shards=2"]
    config += [f"command={sys.executable} -m tybalt_like", "scores=scores.tsv"]
    snakemake(tmp_path, "score", "--profile", profile, "--jobs", 1, "--config", *config)
    command("score", "--run", folder / "run", folder / "new.h5ad", "--out", tmp_path / "whole.tsv")
    assert (tmp_path / "scores.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()
