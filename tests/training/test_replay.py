"""On a GPU, updates that are recorded and replayed are those that are computed one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tybalt_like.models import Model, Training
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

N, G = 101, 40


SIMPLE = (
    *("tybalt", "beta_vae", "beta_tc_vae", "dip_vae", "mmd_vae", "count_vae", "ppca_vae"),
    *("linear_autoencoder", "deep_autoencoder", "adage_tied"),
)


def trained(name: str, *, replays: bool) -> tuple[Model, np.ndarray]:
    with seeded(0):
        x_ng = torch.rand(N, G)
        x_ng = (20 * x_ng).round() if Model.named(name).domain == "counts" else x_ng
        model = Model.create(name, G, latent_dim=5).cuda()
        if not replays:
            plain = [replace(step, replays=False) for step in model.steps()]
            model.steps = lambda: plain
        tensors = {"x_ng": x_ng.cuda()}
        training = Training(epochs=5, batch_size=16, learning_rate=5e-3, schedule="cosine")
        history = train(model, tensors, training=training)
    return model, history.frame().drop(columns="seconds").to_numpy()


@pytest.mark.parametrize("name", SIMPLE)
def test_replayed_updates_are_the_computed_ones(name) -> None:
    (recorded, history), (computed, expected) = (trained(name, replays=r) for r in (True, False))
    assert all(step.replays for step in recorded.steps())
    np.testing.assert_allclose(history, expected, rtol=1e-4, atol=1e-6)
    for key, value in computed.state_dict().items():
        np.testing.assert_allclose(
            recorded.state_dict()[key].cpu(), value.cpu(), rtol=1e-3, atol=1e-5, err_msg=key
        )
