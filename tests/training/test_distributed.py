"""Two processes that share every mini-batch end where one process ends."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tybalt_like.models import Model

SETTINGS = {
    "tybalt": {"hidden_dim": 8, "mode": "as_described"},  # batch normalisation, noise
    "count_vae": {"zero_inflation": True},
    "linear_autoencoder": {},
    "adage": {"noise": 0.2},  # dropout
    # Losses that compare the samples of a mini-batch.
    "mmd_vae": {},
    "dip_vae": {},
    "beta_tc_vae": {},
    "ss_vae": {"covariates": ["batch"], "categories": [["a", "b"]], "mmd_weight": 5.0},
    # Several optimisers, penalties on gradients, batch normalisation in the critic.
    "wgan_gp": {"hidden_dims": [12], "critic_steps": 2},
    "dcgan": {"image_shape": [1, 8, 8], "channels": 4},
    "f_anogan": {"hidden_dims": [12], "critic_steps": 2},
}
TRAIN = """
import json, sys
from pathlib import Path
import torch
from tybalt_like.core import distributed
from tybalt_like.models import Model, Training
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

out, device, settings = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
torch.set_num_threads(1)
with distributed.joined():
    for name, config in settings.items():
        with seeded(0):
            x_ng = torch.rand(101, 64)
            x_ng = (20 * x_ng).round() if name == "count_vae" else x_ng
            model = Model.create(name, 64, latent_dim=5, **config).to(device)
            rows = {"x_ng": x_ng, "c_nc": torch.eye(2)[torch.arange(101) % 2]}
            rows |= {"y_n": (torch.arange(101) % 3 == 0).float(), "x2_ng": x_ng.flip(1)}
            taken = {"x_ng", "c_nc", *model.takes}
            rows = {key: t.to(device) for key, t in rows.items() if key in taken}
            # Few updates: rounding errors of a game between two networks grow with each.
            how = dict(epochs=4, batch_size=25, min_batches=1, min_epochs=1, patience=9)
            history = train(
                model,
                {key: t[:80] for key, t in rows.items()},
                validation={key: t[80:] for key, t in rows.items()},
                training=Training(**how),
            )
            if distributed.is_main():
                model.save(out / f"{name}.safetensors")
                history.frame().drop(columns="seconds").to_csv(out / f"{name}.csv", index=False)
"""
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone"]


def trained(folder: Path, *, processes: int, device: str) -> Path:
    """A folder with every model, trained by so many processes."""
    out = folder / str(processes)
    out.mkdir()
    (folder / "train.py").write_text(TRAIN)
    command = [*LAUNCH, f"--nproc-per-node={processes}", str(folder / "train.py")]
    command += [str(out), device, json.dumps(SETTINGS)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def both(request, tmp_path_factory) -> list[Path]:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    folder = tmp_path_factory.mktemp("torchrun")
    return [trained(folder, processes=n, device=request.param) for n in (1, 2)]


@pytest.mark.slow
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


@pytest.mark.slow
def test_torchrun_makes_one_run_folder(tmp_path) -> None:
    settings = ["training.epochs=3", "normalize.n_genes=100", "evaluation.seeds=0"]
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
