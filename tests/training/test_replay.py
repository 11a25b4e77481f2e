"""Updates that are recorded and replayed are those that are computed one by one."""

import math
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from tybalt_like.core import draws
from tybalt_like.models import Batch, Model, Step, Training
from tybalt_like.training import loop
from tybalt_like.training.loop import train
from tybalt_like.training.replay import Carry, Replay
from tybalt_like.training.seed import seeded
from tybalt_like.training.update import Update

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

N, G = 101, 40


SIMPLE = (
    *("tybalt", "beta_vae", "dip_vae", "mmd_vae", "count_vae", "ppca_vae"),
    *("linear_autoencoder", "deep_autoencoder", "adage_tied"),
)


def trained(name: str, *, replays: bool, device: str = "cuda") -> tuple[Model, np.ndarray]:
    with seeded(0):
        x_ng = torch.rand(N, G)
        x_ng = (20 * x_ng).round() if Model.named(name).domain == "counts" else x_ng
        model = Model.create(name, G, latent_dim=5).to(device)
        if not replays:
            plain = [replace(step, replays=False) for step in model.steps()]
            model.steps = lambda: plain
        tensors = {"x_ng": x_ng.to(device)}
        training = Training(epochs=5, batch_size=16, learning_rate=5e-3, schedule="cosine")
        history = train(model, tensors, training=training)
    return model, history.frame().drop(columns="seconds").to_numpy()


@needs_cuda
@pytest.mark.parametrize("name", SIMPLE)
def test_replayed_updates_are_the_computed_ones(name) -> None:
    (recorded, history), (computed, expected) = (trained(name, replays=r) for r in (True, False))
    assert all(step.replays for step in recorded.steps())
    np.testing.assert_allclose(history, expected, rtol=1e-4, atol=1e-6)
    for key, value in computed.state_dict().items():
        np.testing.assert_allclose(
            recorded.state_dict()[key].cpu(), value.cpu(), rtol=1e-3, atol=1e-5, err_msg=key
        )


class Rehearsed(Replay):
    """Without a GPU: what would be recorded is computed again, from where it would have read."""

    def __init__(self, update: Carry, optimizer: torch.optim.Optimizer) -> None:
        with mock.patch("torch.cuda.Stream"):
            super().__init__(update, optimizer)
        self.replayed = 0

    def _computed(self, batch: Batch, *, want_norm: bool) -> dict[str, Tensor]:
        return self.update(batch, want_norm=want_norm)

    def _recorded(self, batch: Batch) -> Any:
        tensors = {
            name: torch.full_like(values, math.nan) for name, values in batch.tensors.items()
        }
        self._batch, self._parts = Batch(tensors, batch.epoch), {}
        return self

    def replay(self) -> None:
        self.replayed += 1
        with draws.handing_out(self._draws):
            self._parts = self.update(self._batch, want_norm=False)


@pytest.mark.parametrize("name", SIMPLE)
def test_batches_and_random_numbers_reach_what_is_replayed(name, monkeypatch) -> None:
    _, expected = trained(name, replays=False, device="cpu")
    made = []

    def update(step: Step, training: Training) -> Update:
        one = Update(step, training)
        one.replay = Rehearsed(one._carried_out, one.optimizer)
        made.append(one.replay)
        return one

    monkeypatch.setattr(loop, "Update", update)
    _, history = trained(name, replays=True, device="cpu")
    assert made[0].replayed > len(
        expected
    )  # of 20 batches an epoch, the first and the last are not
    np.testing.assert_array_equal(history, expected)
