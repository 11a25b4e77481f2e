"""Two processes that share every mini-batch end where one process ends."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tybalt_like.models import Model

TRAIN = """
import sys
import torch
from tybalt_like.core import distributed
from tybalt_like.models import Model, Training
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

name, out, settings = sys.argv[1], sys.argv[2], eval(sys.argv[3])
torch.set_num_threads(1)
with distributed.joined(), seeded(0):
    x_ng = torch.rand(101, 40)
    x_ng = (20 * x_ng).round() if name == "count_vae" else x_ng
    model = Model.create(name, 40, latent_dim=5, **settings)
    training = Training(epochs=4, batch_size=25, learning_rate=0.005, min_epochs=1, patience=9)
    history = train(model, {"x_ng": x_ng[:80]}, validation={"x_ng": x_ng[80:]}, training=training)
    if distributed.is_main():
        model.save(__import__("pathlib").Path(out))
        history.frame().drop(columns="seconds").to_csv(out + ".csv", index=False)
"""


def trained(tmp_path, name: str, settings: str, *, processes: int) -> tuple[Model, np.ndarray]:
    out = tmp_path / f"{processes}.safetensors"
    (tmp_path / "train.py").write_text(TRAIN)
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *launch, tmp_path / "train.py", name, out, settings]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=300)
    return Model.load(out), np.loadtxt(f"{out}.csv", delimiter=",", skiprows=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("tybalt", "dict(hidden_dim=8, mode='as_described')"),  # batch normalisation, noise
        ("count_vae", "dict(zero_inflation=True)"),
        ("linear_autoencoder", "{}"),
    ],
)
def test_two_processes_equal_one_with_the_same_global_batch(tmp_path, name, settings) -> None:
    # 80 samples in batches of 25 leave 5, which two processes cannot halve.
    (one, history), (two, shared) = (trained(tmp_path, name, settings, processes=n) for n in (1, 2))
    for key, value in one.state_dict().items():
        np.testing.assert_allclose(value, two.state_dict()[key], atol=1e-5, err_msg=key)
    np.testing.assert_allclose(history, shared, rtol=1e-4)


@pytest.mark.slow
def test_torchrun_makes_one_run_folder(tmp_path) -> None:
    settings = ["training.epochs=3", "normalize.n_genes=100", "evaluation.seeds=1"]
    settings += ["evaluation.baselines=['pca']", "pictures.maps=[]", "model.latent_dim=10"]
    quick = [part for setting in settings for part in ("--set", setting)]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launch, "-m", "tybalt_like", "run", "tybalt_brca", *quick]
    outs = []
    for arguments in (command, command[4:]):
        outs.append(tmp_path / str(len(outs)))
        whole = [sys.executable, *arguments, "--quiet", "--out", str(outs[-1])]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=400, check=True)
        assert done.stdout.count("report: ") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1"]
    tables = [pd.read_csv(out / "latent.tsv.gz", sep="\t", index_col=0) for out in outs]
    features = [f"tybalt_{i + 1}" for i in range(10)]
    one, other = (table[features] for table in tables)
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
