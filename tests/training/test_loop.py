"""The loop: repeatable, resumable, and clear about its end."""

import numpy as np
import pytest
import torch

from tybalt_like.core.errors import NonFiniteLossError
from tybalt_like.models import Model, Training
from tybalt_like.models.base import Batch, Step
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
    with (
        seeded(0),
        pytest.raises(NonFiniteLossError, match=r"epoch 0, step \d .*samples .*17") as caught,
    ):
        train(model, tensors, training=Training(epochs=2, batch_size=8))
    assert caught.value.part == "loss"
    # The NaN reaches every later batch through the weights; the first bad one holds its sample.
    assert 17 in caught.value.samples


def descent(params, learning_rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=learning_rate)


class Slope(Model):
    """One weight vector under a constant gradient of norm 3 x sqrt(N_VARS), by plain descent."""

    def __init__(self) -> None:
        super().__init__(N_VARS, None)
        self.w_g = torch.nn.Parameter(torch.zeros(N_VARS))

    def steps(self) -> list[Step]:
        return [Step("slope", [self.w_g], self.loss, optimizer=descent)]

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"loss": 3 * self.w_g.sum() + 0 * batch.x_ng.sum()}

    def embed(self, x_ng):
        return x_ng

    decode = embed

    def weights(self):
        return torch.eye(N_VARS)


def test_long_gradients_are_scaled_down_and_logged_as_they_were() -> None:
    norm = 3 * N_VARS**0.5
    for limit, expected in ((None, norm), (0.5, 0.5), (100.0, norm)):
        model = Slope()
        training = Training(
            epochs=1,
            batch_size=50,
            min_batches=1,
            learning_rate=1.0,
            patience=None,
            max_grad_norm=limit,
        )
        history = train(model, rows(20), training=training)
        assert model.w_g.norm().item() == pytest.approx(expected, rel=1e-5)
        assert history.rows[0]["gradient_norm"] == pytest.approx(norm, rel=1e-5)


def test_cosine_schedule_moves_the_weights_by_half_a_cosine() -> None:
    positions = []
    model = Slope()
    training = Training(
        epochs=8,
        batch_size=50,
        min_batches=1,
        learning_rate=0.1,
        patience=None,
        schedule="cosine",
    )
    history = train(
        model,
        rows(20),
        training=training,
        on_epoch=lambda *_: positions.append(model.w_g[0].item()),
    )
    rates = 0.1 * (1 + np.cos(np.pi * np.arange(8) / 8)) / 2
    np.testing.assert_allclose(history.frame()["learning_rate"], rates, rtol=1e-6)
    np.testing.assert_allclose(-np.diff([0, *positions]), 3 * rates, rtol=1e-4)


def test_plateau_schedule_halves_after_half_the_patience() -> None:
    # The loss of Slope falls in every epoch on training rows; a validation loss that never falls
    # after epoch 2 is made by a limit that the weight cannot pass.
    class Stuck(Slope):
        def loss(self, batch):
            fallen = (3 * self.w_g.sum()).clamp(min=-3 * N_VARS * 3 * 0.25)
            return {"loss": fallen + 0 * batch.x_ng.sum()}

    training = Training(
        epochs=20,
        batch_size=50,
        min_batches=1,
        learning_rate=0.1,
        patience=8,
        min_epochs=0,
        schedule="plateau",
    )
    history = train(Stuck(), rows(20), validation=rows(9, 1), training=training).frame()
    losses, rates = history["val_loss"].to_numpy(), history["learning_rate"].to_numpy()
    best = int(losses.argmin())
    assert (np.diff(losses[: best + 1]) < 0).all()
    assert (np.diff(losses[best:]) == 0).all()
    np.testing.assert_allclose(rates[: best + 5], 0.1)
    np.testing.assert_allclose(rates[best + 5 :], 0.05)
    assert len(history) == best + 9


@pytest.mark.slow
def test_bfloat16_reaches_the_loss_of_single_precision() -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        training = Training(
            epochs=60, batch_size=16, learning_rate=2e-3, min_epochs=0, precision=precision
        )
        model = trained(200, training=training)
        assert {t.dtype for t in model.parameters()} == {torch.float32}
        losses[precision] = model.history.best_loss
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.01)


def test_small_cohorts_are_passed_over_until_the_epoch_has_enough_batches() -> None:
    seen = []

    class Watched(Slope):
        def loss(self, batch):
            seen.append(batch.x_ng[:, 0])
            return super().loss(batch)

    data = rows(10)
    training = Training(epochs=1, batch_size=4, min_batches=7, learning_rate=0.1, patience=None)
    train(Watched(), data, training=training)
    assert [len(batch) for batch in seen] == [4, 4, 2] * 3
    for i in (0, 3, 6):
        one_pass = torch.cat(seen[i : i + 3]).sort().values
        assert torch.equal(one_pass, data["x_ng"][:, 0].sort().values)


def test_checkpoints_come_after_so_many_epochs(tmp_path) -> None:
    seen = []
    file = tmp_path / "c.safetensors"
    training = Training(
        epochs=7, batch_size=8, patience=None, checkpoint_seconds=1e9, checkpoint_epochs=3
    )
    trained(training=training, checkpoint=file, on_epoch=lambda *_: seen.append(file.exists()))
    assert seen == [False] * 3 + [True] * 4  # on_epoch runs before the epoch's own checkpoint


def test_divergence_leaves_the_last_finite_checkpoint(tmp_path) -> None:
    def spoil(row, _) -> None:
        if row["epoch"] == 2:
            with torch.no_grad():
                model.decoder.weight.fill_(float("inf"))

    file = tmp_path / "c.safetensors"
    training = Training(epochs=9, batch_size=8, patience=None, checkpoint_epochs=2)
    model = Model.create("tybalt", N_VARS, latent_dim=4)
    with seeded(0), pytest.raises(NonFiniteLossError, match="epoch 3"):
        train(model, rows(40), training=training, checkpoint=file, on_epoch=spoil)
    resumed = Model.create("tybalt", N_VARS, latent_dim=4)
    history = train(resumed, rows(40), training=training, checkpoint=file)
    assert [int(row["epoch"]) for row in history.rows] == list(range(9))
    assert all(np.isfinite(value).all() for value in weights(resumed).values())
