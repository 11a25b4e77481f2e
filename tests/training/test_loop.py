"""The loop: repeatable, resumable, and clear about its end."""

import numpy as np
import pytest
import torch

from tybalt_like.errors import NonFiniteLossError
from tybalt_like.models import Model, Training
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

N_VARS = 30


def rows(n: int, seed: int = 0) -> dict[str, torch.Tensor]:
    return {"x_ng": torch.rand(n, N_VARS, generator=torch.Generator().manual_seed(seed))}


def trained(n: int = 41, *, seed: int = 0, **options):
    with seeded(seed):
        model = Model.create("tybalt", N_VARS, latent_dim=4)
        training = options.pop("training", Training(epochs=6, batch_size=8, min_epochs=0))
        model.history = train(model, rows(n), validation=rows(9, 1), training=training, **options)
    return model


def weights(model: Model) -> dict[str, np.ndarray]:
    return {key: value.numpy() for key, value in model.state_dict().items()}


def assert_same(one: Model, other: Model) -> None:
    for key, value in weights(one).items():
        np.testing.assert_array_equal(value, weights(other)[key], err_msg=key)


def test_same_seed_same_weights_other_seed_other_weights() -> None:
    assert_same(trained(), trained())
    assert not np.array_equal(
        weights(trained())["decoder.weight"], weights(trained(seed=1))["decoder.weight"]
    )


def test_the_callers_random_state_is_untouched() -> None:
    before = torch.get_rng_state()
    trained()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("stop_after", [0, 2, 4])
def test_resuming_equals_never_having_stopped(tmp_path, stop_after: int) -> None:
    class Stop(Exception):
        pass

    def stop(row, _) -> None:
        if row["epoch"] == stop_after + 1:
            raise Stop

    training = Training(epochs=6, batch_size=8, min_epochs=0, patience=3, checkpoint_seconds=0)
    whole = trained(training=training)
    with pytest.raises(Stop):
        trained(training=training, checkpoint=tmp_path / "c.safetensors", on_epoch=stop)
    resumed = trained(training=training, checkpoint=tmp_path / "c.safetensors", seed=99)
    assert_same(whole, resumed)
    drop = ["seconds"]
    assert (
        whole.history.frame().drop(columns=drop).equals(resumed.history.frame().drop(columns=drop))
    )
    assert whole.history.stopped == resumed.history.stopped


@pytest.mark.parametrize("n", [2, 7, 8, 9, 17])
def test_any_number_of_samples_trains(n: int) -> None:
    # 9 and 17 leave a last mini-batch of one sample, of which batch normalisation has no variance.
    model = trained(n)
    assert len(model.history.rows) == 6
    assert all(np.isfinite(weights(model)["decoder.weight"]).ravel())


def test_early_stopping_restores_the_best_weights_and_says_so() -> None:
    seen = {}

    def keep(row, _) -> None:
        seen[int(row["epoch"])] = row["val_loss"]

    training = Training(epochs=500, batch_size=8, learning_rate=0.02, patience=5, min_epochs=3)
    model = trained(training=training, on_epoch=keep)
    best = min((loss, epoch) for epoch, loss in seen.items() if epoch >= 3)
    assert (model.history.best_loss, model.history.best_epoch) == best
    assert len(seen) == best[1] + 6
    assert model.history.stopped == (
        f"validation loss has not improved for 5 epochs; weights of epoch {best[1]} restored"
    )


def test_divergence_names_epoch_step_part_and_samples() -> None:
    tensors = rows(40)
    tensors["x_ng"][17, 3] = float("nan")
    model = Model.create("tybalt", N_VARS, latent_dim=4)
    with seeded(0), pytest.raises(NonFiniteLossError, match=r"epoch 0, step \d .*rows") as caught:
        train(model, tensors, training=Training(epochs=2, batch_size=8))
    assert caught.value.part == "loss"
    # The NaN reaches every later batch through the weights; the first bad one holds its sample.
    assert 17 in caught.value.samples
