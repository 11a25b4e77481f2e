"""What is said while a run goes on, and the bar of a training."""

import io
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from rich.console import Console

from tybalt_like import tl
from tybalt_like.core import keys
from tybalt_like.core.bar import duration
from tybalt_like.models import Training
from tybalt_like.run.progress import Progress


def watched(*, terminal: bool) -> tuple[Progress, io.StringIO]:
    progress, text = Progress(), io.StringIO()
    progress.console = Console(file=text, force_terminal=terminal, width=120)
    return progress, text


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
    progress, text = watched(terminal=True)
    with progress.stage("Training"):
        progress.epoch({"epoch": 0.0} | row, Training(epochs=2))
    assert said in text.getvalue()
    assert "nan" not in text.getvalue()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time, to be moved on by hand."""
    now = [0.0]
    for name in ("monotonic", "perf_counter"):
        monkeypatch.setattr(f"time.{name}", lambda: now[0])
    return now


def test_time_left_goes_by_the_measured_rate(clock: list[float]) -> None:
    """In a file a line a minute; what an interrupted run has done counts for nothing."""
    progress, text = watched(terminal=False)
    progress.steps = 9
    with progress.stage("Training"):
        for epoch in range(40, 50):  # resumed
            progress.epoch({"epoch": epoch, "train_loss": 1.0}, Training(epochs=100, patience=None))
            clock[0] += 20
    said = text.getvalue().splitlines()
    assert said[0] == "step 1 of 9: Training"
    assert [line.strip() for line in said[1:]] == [
        "epoch 44 of 100, 19 min left",
        "epoch 47 of 100, 18 min left",
        "epoch 50 of 100, 17 min left",
    ]


def test_early_stopping_makes_it_an_upper_bound(clock: list[float]) -> None:
    progress, text = watched(terminal=True)
    with progress.stage("Training"):
        for epoch in range(3):
            progress.epoch({"epoch": epoch, "train_loss": 1.0}, Training(epochs=20, patience=5))
            clock[0] += 2
    assert "at most 34 s left" in text.getvalue()
    assert [duration(s) for s in (7.4, 250, 3 * 3600 + 60)] == ["7 s", "4 min", "3 h 1 min"]


def cohort() -> AnnData:
    x_ng = np.random.default_rng(0).random((30, 5)).astype(np.float32)
    split = [keys.TRAIN] * 20 + [keys.VALIDATION] * 10
    return AnnData(x_ng, obs=pd.DataFrame({keys.SPLIT: split}, [f"s{i}" for i in range(30)]))


def test_a_notebook_shows_a_bar_unless_told_not_to(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    shown: list[dict[str, str]] = []

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            assert raw
            shown.append(data)

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert raw
        assert display_id
        shown.append(data)
        return Handle()

    notebook: Any = types.ModuleType("IPython")
    notebook.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    pictures: Any = types.ModuleType("IPython.display")
    pictures.display = display
    how = {"model": "tybalt", "latent_dim": 2, "training": Training(epochs=3), "device": "cpu"}
    tl.fit(cohort(), **how)
    assert shown == []
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", pictures)
    tl.fit(cohort(), **how, progress=False)
    assert shown == []
    tl.fit(cohort(), **how)
    assert shown[-1]["text/plain"].startswith("3 of 3, loss")
    assert '<progress style="width: 40ex" max="3" value="3">' in shown[-1]["text/html"]
    assert capsys.readouterr() == ("", "")
