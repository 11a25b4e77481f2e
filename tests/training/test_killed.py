"""A training that is killed at random moments ends where an undisturbed one ends."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

TRAIN = """
import sys, time
from pathlib import Path
import torch
from tybalt_like.models import Model, Training
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

out, checkpoint = map(Path, sys.argv[1:])
torch.set_num_threads(1)
x_ng = torch.rand(90, 200, generator=torch.Generator().manual_seed(0))
training = Training(
    epochs=30, batch_size=16, min_batches=1, patience=12, min_epochs=2, checkpoint_epochs=1,
    schedule="plateau", learning_rate=0.01,
)
with seeded(0):
    model = Model.create("tybalt", 200, latent_dim=20)
    history = train(
        model, {"x_ng": x_ng[:70]}, validation={"x_ng": x_ng[70:]}, training=training,
        checkpoint=checkpoint, on_epoch=lambda *_: time.sleep(0.05),
    )
model.save(out)
history.frame().drop(columns="seconds").to_csv(out.with_suffix(".csv"), index=False)
"""


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)

    def start(name: str) -> subprocess.Popen[bytes]:
        arguments = [tmp_path / f"{name}.safetensors", tmp_path / f"{name}.checkpoint"]
        return subprocess.Popen([sys.executable, tmp_path / "train.py", *arguments])

    assert start("whole").wait(timeout=120) == 0
    moments, kills = random.Random(0), 0
    checkpoint = tmp_path / "killed.checkpoint"
    while kills < 4:
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = start("killed")
        while process.poll() is None and not (
            checkpoint.exists() and checkpoint.stat().st_mtime_ns > before
        ):
            time.sleep(0.005)  # until it has gone on from where the last one was killed
        time.sleep(moments.uniform(0, 0.3))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
    assert kills >= 2
    assert start("killed").wait(timeout=120) == 0
    for suffix in (".safetensors", ".csv"):
        whole, killed = ((tmp_path / name).with_suffix(suffix) for name in ("whole", "killed"))
        assert whole.read_bytes() == killed.read_bytes()
