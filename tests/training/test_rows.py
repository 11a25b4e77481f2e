"""Rows on disk: every one is seen once an epoch, read once, and the result is that of memory."""

import numpy as np
import pytest
import torch

from tybalt_like.core.errors import NonFiniteLossError
from tybalt_like.models import Model, Training
from tybalt_like.training import rows as module
from tybalt_like.training.loop import losses, train
from tybalt_like.training.rows import Resident, Stored
from tybalt_like.training.seed import seeded

N, N_VARS, BLOCK = 500, 20, 8


@pytest.fixture(autouse=True)
def small_windows(monkeypatch) -> None:
    """Of 60 rows: several batches of 10, and many windows."""
    monkeypatch.setattr(module, "WINDOW", 60 * N_VARS)


@pytest.fixture
def x_ng() -> np.ndarray:
    x_ng = np.random.default_rng(0).random((N, N_VARS), dtype=np.float32)
    x_ng[:, 0] = np.arange(N)  # which row it is
    return x_ng


def stored(x_ng: np.ndarray, rows_n: np.ndarray, read_log: list | None = None, **known) -> Stored:
    def read(numbers: np.ndarray) -> np.ndarray:
        assert (np.diff(numbers) > 0).all()
        if read_log is not None:
            read_log.append(numbers)
        return x_ng[numbers]

    return Stored(read, rows_n, n_vars=N_VARS, block=BLOCK, known=known)


def test_an_epoch_holds_every_row_once_with_what_is_known_of_it(x_ng) -> None:
    rows_n, log = np.flatnonzero(np.random.default_rng(1).random(N) < 0.7), []
    rows = stored(x_ng, rows_n, log, y_n=torch.from_numpy(rows_n * 2))
    with seeded(0):
        order = rows.shuffled(10)
    batches = list(rows.batches(order.split(10)))
    assert all(torch.equal(2 * b["x_ng"][:, 0], b["y_n"].float()) for b in batches)
    seen = torch.cat([b["x_ng"][:, 0] for b in batches]).numpy()
    assert sorted(seen) == list(rows_n)
    assert sorted(np.concatenate(log)) == list(rows_n)  # and read once
    assert max(map(len, log)) <= 60
    pieces = sum((np.diff(numbers) > BLOCK).sum() + 1 for numbers in log)
    assert pieces < 2 * N / BLOCK  # in blocks, not row by row


def test_windows_mix_rows_of_many_places(x_ng) -> None:
    rows = stored(x_ng, np.arange(N))
    with seeded(0):
        first, again = rows.shuffled(10), rows.shuffled(10)
    assert not torch.equal(first, again)
    # A sorted file: neighbours in the order are as far apart as those of a full shuffle, nearly.
    apart = first.diff().abs().double().mean()
    assert apart > 0.8 * N / 3
    # Every batch holds rows of several blocks.
    assert min(len(set((b // BLOCK).tolist())) for b in first[: 10 * (N // 10)].split(10)) >= 3


def test_one_window_trains_as_rows_in_memory_would_in_that_order(x_ng) -> None:
    x_ng = x_ng / N
    part = np.arange(N)[::2]
    rows = stored(x_ng, part)

    class Ordered(Resident):
        shuffled = rows.shuffled

    histories, weights = [], []
    for given in (rows, Ordered({"x_ng": torch.from_numpy(x_ng[part])})):
        with seeded(0):
            model = Model.create("tybalt", N_VARS, latent_dim=4)
            training = Training(epochs=3, batch_size=10, patience=None, min_batches=1)
            history = train(model, given, validation=rows, training=training)
        histories.append(history.frame().drop(columns="seconds"))
        weights.append(model.state_dict())
    assert histories[0].equals(histories[1])
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]), key


def test_resuming_equals_never_having_stopped(x_ng, tmp_path) -> None:
    class Stop(Exception):
        pass

    def stop(row, _) -> None:
        if row["epoch"] == 2:
            raise Stop

    def trained(**options) -> Model:
        with seeded(options.pop("seed", 0)):
            model = Model.create("beta_vae", N_VARS, latent_dim=4)
            training = Training(epochs=5, batch_size=10, patience=None, checkpoint_seconds=0)
            train(model, stored(x_ng / N, np.arange(N)), training=training, **options)
        return model

    whole = trained()
    with pytest.raises(Stop):
        trained(checkpoint=tmp_path / "c", on_epoch=stop)
    resumed = trained(checkpoint=tmp_path / "c", seed=9)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_held_out_losses_are_means_over_all_rows(x_ng) -> None:
    model = Model.create("linear_autoencoder", N_VARS, latent_dim=3)
    in_parts = losses(model, stored(x_ng / N, np.arange(N)))
    at_once = losses(model, {"x_ng": torch.from_numpy(x_ng / N)})
    assert in_parts == pytest.approx(at_once, rel=1e-5)


def test_models_that_are_solved_say_from_how_many_samples(x_ng, monkeypatch) -> None:
    monkeypatch.setattr(module, "SOLVED", 100 * N_VARS)
    model = Model.create("pca", N_VARS, latent_dim=3)
    with seeded(0):
        history = train(model, stored(x_ng, np.arange(N)))
    assert history.stopped == "solved in closed form, from 100 random samples of 500"
    assert model.mean_g[0].item() == pytest.approx(N / 2, rel=0.2)  # not the first 100


def test_divergence_names_the_samples_of_the_file(x_ng) -> None:
    x_ng[17, 3] = np.nan
    model = Model.create("tybalt", N_VARS, latent_dim=4)
    training = Training(epochs=2, batch_size=10, patience=None)
    with seeded(0), pytest.raises(NonFiniteLossError) as caught:
        train(model, stored(x_ng / N, np.arange(N)), training=training)
    assert 17 in caught.value.samples


def test_what_goes_wrong_while_reading_ahead_is_raised(x_ng) -> None:
    def read(numbers: np.ndarray) -> np.ndarray:
        if numbers[0] > 100:
            raise OSError("the disk is gone")
        return x_ng[numbers]

    rows = Stored(read, np.arange(N), n_vars=N_VARS, block=BLOCK)
    with pytest.raises(OSError, match="the disk is gone"):
        list(rows.batches(torch.arange(N).split(10)))
