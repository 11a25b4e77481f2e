"""Two processes that share every mini-batch end where one process ends."""

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import trained_together
from trained_together import N_STORED, SETTINGS

from tybalt_like import Recipe
from tybalt_like.core import keys, toml
from tybalt_like.io import datasets
from tybalt_like.models import Model
from tybalt_like.run.stages import analyse

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def torchrun(*words: object) -> subprocess.CompletedProcess[str]:
    """Two processes, which meet at a port that is free."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [sys.executable, *launch, *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def both(request, tmp_path_factory) -> list[Path]:
    """Folders with what one process has trained, and with what two have."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    trained_together.train_all(one, request.param)
    torchrun(trained_together.__file__, two, request.param)
    return [one, two]


@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_equal_one_with_the_same_global_batch(both, name) -> None:
    # 80 samples in batches of 25 leave 5, which two processes cannot halve.
    one, two = (Model.load(folder / f"{name}.safetensors").state_dict() for folder in both)
    for key, value in one.items():  # less than half of what a single update may change
        np.testing.assert_allclose(value, two[key], rtol=1e-4, atol=2e-4, err_msg=key)
    history, shared = (
        np.loadtxt(folder / f"{name}.csv", delimiter=",", skiprows=1) for folder in both
    )
    np.testing.assert_allclose(history, shared, rtol=1e-3, atol=1e-5)


def test_processes_read_disjoint_rows_and_end_where_one_does(both) -> None:
    one, two = (Model.load(folder / "stored.safetensors").state_dict() for folder in both)
    for key, value in one.items():
        np.testing.assert_allclose(value, two[key], atol=1e-5, err_msg=key)
    [whole], shares = (json.loads((folder / "shares.json").read_text()) for folder in both)
    assert sorted(whole) == sorted(chain(*shares)) == list(range(N_STORED))
    assert max(map(len, shares)) <= 1.1 * min(map(len, shares))


def test_torchrun_makes_one_run_folder(tmp_path) -> None:
    datasets.load("tcga_brca")[:200, :100].write_h5ad(tmp_path / "m.h5ad")
    tables = {
        "data": {"path": str(tmp_path / "m.h5ad")},
        "model": {"name": "tybalt", "latent_dim": 10},
        "training": {"epochs": 3},
        "evaluation": {"seeds": 0},
        "pictures": {"maps": []},
    }
    recipe, out = tmp_path / "r.toml", tmp_path / "out"
    recipe.write_text(toml.document(tables))
    done = torchrun("-m", "tybalt_like", "run", recipe, "--quiet", "--out", out)
    assert done.stdout.count("report: ") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"m.h5ad", "r.toml", "out"}
    two = pd.read_csv(out / "latent.tsv.gz", sep="\t", index_col=0).filter(regex=r"^tybalt_\d")
    alone = analyse(Recipe.from_tables(tables), device="cpu").adata
    assert list(two.index) == list(alone.obs_names)
    one_nk = alone.obsm[keys.latent("tybalt")]
    np.testing.assert_allclose(one_nk, two.to_numpy(), rtol=1e-3, atol=1e-4)
