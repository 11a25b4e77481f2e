"""The line beside the progress bar."""

import io

import pytest
from rich.console import Console

from tybalt_like.models import Training
from tybalt_like.run.progress import Progress


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"train_loss": 5.0, "val_loss": 4.25}, "loss 4.2"),
        ({"train_loss": 5.0}, "loss 5.0"),
        (
            {"train_critic_loss": 0.75, "train_critic_real": 0.5, "train_generator_loss": 1.5},
            "loss critic 0.75, generator 1.50",
        ),
    ],
)
def test_every_kind_of_loss_is_told(row: dict[str, float], said: str) -> None:
    progress, text = Progress(), io.StringIO()
    progress.console = Console(file=text, force_terminal=True, width=120)
    with progress.stage("Training"):
        progress.epoch({"epoch": 0.0} | row, Training(epochs=2))
    assert said in text.getvalue()
    assert "nan" not in text.getvalue()
