"""What `test_distributed` has trained, by one process and by those of torchrun.

torchrun --standalone --nproc-per-node 2 tests/training/trained_together.py FOLDER DEVICE
"""

import json
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from tybalt_like.core import distributed
from tybalt_like.models import Model, Training
from tybalt_like.training import rows
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

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
N_STORED, N_VARS = 301, 40


def train_all(out: Path, device: str) -> None:
    """Write every model, its history, and the model and the numbers of rows that are read from disk
    into a folder."""
    for name in SETTINGS:
        model, history = trained(name, device)
        if distributed.is_main():
            model.save(out / f"{name}.safetensors")
            history.to_csv(out / f"{name}.csv", index=False)
    model, read = trained_from_disk()
    shares = distributed.gathered(read)
    if distributed.is_main():
        model.save(out / "stored.safetensors")
        (out / "shares.json").write_text(json.dumps(shares))


def trained(name: str, device: str):
    with seeded(0):
        x_ng = torch.rand(101, 64)
        x_ng = (20 * x_ng).round() if name == "count_vae" else x_ng
        model = Model.create(name, 64, latent_dim=5, **SETTINGS[name]).to(device)
        known = {"x_ng": x_ng, "c_nc": torch.eye(2)[torch.arange(101) % 2]}
        known |= {"y_n": (torch.arange(101) % 3 == 0).float(), "x2_ng": x_ng.flip(1)}
        taken = {"x_ng", "c_nc", *model.takes}
        known = {key: t.to(device) for key, t in known.items() if key in taken}
        # Few updates: rounding errors of a game between two networks grow with each.
        how = Training(epochs=4, batch_size=25, min_batches=1, min_epochs=1, patience=9)
        history = train(
            model,
            {key: t[:80] for key, t in known.items()},
            validation={key: t[80:] for key, t in known.items()},
            training=how,
        )
    return model, history.frame().drop(columns="seconds")


def trained_from_disk():
    """By an epoch over rows that are read in many windows; and their numbers, as they were read."""
    x_ng = np.random.default_rng(0).random((N_STORED, N_VARS), dtype=np.float32)
    read = list[int]()

    def rows_of(numbers):
        read.extend(numbers.tolist())
        return x_ng[numbers]

    how = Training(epochs=1, batch_size=20, patience=None, min_batches=1)
    with seeded(0), mock.patch.object(rows, "WINDOW", 60 * N_VARS):
        model = Model.create("tybalt", N_VARS, latent_dim=5)
        stored = rows.Stored(rows_of, np.arange(N_STORED), n_vars=N_VARS, block=8)
        train(model, stored, training=how)
    return model, read


if __name__ == "__main__":
    torch.set_num_threads(1)
    with distributed.joined():
        train_all(Path(sys.argv[1]), sys.argv[2])
