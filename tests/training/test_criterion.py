"""Rows drawn by weight, and early stopping by what a model is judged by instead of its loss."""

import torch

from tybalt_like.models import Batch, Model, Training
from tybalt_like.models.beta_vae import BetaVAE
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded


def test_rows_are_drawn_by_their_weight() -> None:
    seen: list[torch.Tensor] = []
    with seeded(0):
        model = Model.create("beta_vae", 4, latent_dim=2)
        loss = model.loss
        model.loss = lambda batch: seen.append(batch.x_ng[:, 0]) or loss(batch)
        x_ng = torch.rand(40, 4)
        x_ng[:, 0] = torch.arange(40)
        weight_n = torch.where(torch.arange(40) < 10, 3.0, 1.0)
        weight_n[39] = 0
        training = Training(epochs=40, batch_size=10, min_batches=4, patience=None)
        train(model, {"x_ng": x_ng, "weight_n": weight_n}, training=training)
    drawn = torch.cat(seen)
    assert len(drawn) == 40 * 40
    assert not (drawn == 39).any()
    share = float((drawn < 10).double().mean())
    assert abs(share - 30 / 59) < 0.05


class Judged(BetaVAE):
    """A model with a script of criteria."""

    script = (0.0, 5.0, 5.0, -3.0, -3.0, -3.0, 9.0, 9.0, 9.0, 9.0)

    def criterion(self, batch: Batch) -> dict[str, torch.Tensor]:  # noqa: ARG002
        return {"criterion": torch.tensor(self.script[len(self.history.rows)])}


def test_the_criterion_decides_smoothed_over_three_epochs() -> None:
    with seeded(0):
        model = Judged(4, BetaVAE.Config(latent_dim=2))
        rows = {"x_ng": torch.rand(20, 4)}
        epochs: list[dict[str, float]] = model.history.rows
        training = Training(epochs=10, batch_size=10, min_batches=2, min_epochs=1, patience=3)
        history = train(
            model, rows, validation=rows, training=training,
            on_epoch=lambda row, _: epochs.append(row),
        )  # fmt: skip
    # Means of three: 2.5, 3.3, 2.3, -0.3, -3 (epoch 5), 1, 5 ...
    assert history.best_epoch == 5
    assert history.best_loss == -3
    assert history.stopped.startswith("validation criterion has not improved for 3 epochs")
    assert "val_criterion" in history.rows[0]
