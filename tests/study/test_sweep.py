"""Sweeps: shared by processes, interrupted, repeated, and their best recipe."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tybalt_like import Recipe
from tybalt_like.core.errors import RecipeError, RunError
from tybalt_like.core.toml import changed, tables_of
from tybalt_like.run.stages import analyse
from tybalt_like.study.sweep import Plan, sweep

optuna = pytest.importorskip("optuna", reason="the extra 'sweep' is not installed")

pytestmark = pytest.mark.usefixtures("module_without_figures")
COMMAND = [sys.executable, "-m", "tybalt_like", "sweep"]
RECIPE = """
name = "tiny"
data = { dataset = "tcga_brca" }
normalize = { n_genes = 60 }
model = { latent_dim = 4 }
training = { epochs = 30, min_epochs = 1000, min_batches = 1 }

[sweep.space]
training.learning_rate = [1e-3, 2e-3, 1e-2]
training.batch_size = [50, 100]
"""


@pytest.fixture
def recipe(tmp_path) -> Path:
    file = tmp_path / "tiny.toml"
    file.write_text(RECIPE)
    return file


def tables(recipe: Path, *changes: str) -> dict[str, Any]:
    return changed(tables_of(recipe), changes)


def start(recipe: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    options = ["--out", str(out), "--threads", "1", "--device", "cpu", *more]
    return subprocess.Popen(
        [*COMMAND, str(recipe), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def trials_in(out: Path) -> list[optuna.trial.FrozenTrial]:
    """Every trial that was ever begun, as optuna itself reads the study."""
    backend = optuna.storages.journal.JournalFileBackend(str(out / "study.journal"))
    storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(study_name="tiny", storage=storage).trials


def results(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "trials.tsv", sep="\t")


@pytest.mark.slow
def test_two_processes_try_every_point_of_a_grid_once(recipe, tmp_path) -> None:
    out = tmp_path / "shared"
    workers = [start(recipe, out), start(recipe, out)]
    said = [worker.communicate(timeout=120)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    trials = trials_in(out)
    assert sorted(trial.user_attrs["point"] for trial in trials) == list(range(6))
    assert sum(text.count(" of 6: ") for text in said) == 6
    table = results(out)
    assert list(table["trial"]) == list(range(6))
    assert not table.duplicated(["training.learning_rate", "training.batch_size"]).any()
    assert {path.name for path in (out / "figures").iterdir()} == {
        f"{name}.{kind}" for name in ("parallel", "marginals", "panels") for kind in ("png", "svg")
    }
    assert len(list((out / "histories").iterdir())) == 6


@pytest.mark.slow
def test_two_processes_share_a_database(recipe, tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    drawn = ["sweep.sampler=tpe", "sweep.trials=7", f"sweep.storage='{url}'"]
    drawn += ["sweep.space={training.learning_rate={low=1e-4, high=1e-2, log=true}}"]
    options = [part for change in drawn for part in ("--set", change)]
    out = tmp_path / "shared"
    workers = [start(recipe, out, *options), start(recipe, out, *options)]
    said = [worker.communicate(timeout=240)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    trials = optuna.load_study(study_name="tiny", storage=url).trials
    assert sorted(trial.user_attrs["point"] for trial in trials) == list(range(7))
    assert {trial.state for trial in trials} == {optuna.trial.TrialState.COMPLETE}
    assert min(text.count(" of 7: ") for text in said) > 0
    assert sum(text.count(" of 7: ") for text in said) == 7
    assert results(out)["training.learning_rate"].nunique() == 7
    with pytest.raises(RunError, match="is that of another folder"):
        sweep(tables(recipe, *drawn), tmp_path / "elsewhere", device="cpu")


@pytest.mark.slow
def test_a_killed_process_loses_its_trial_only(recipe, tmp_path) -> None:
    out = tmp_path / "killed"
    state = optuna.trial.TrialState
    few = ["--set", "sweep.space.training.batch_size=[50]"]
    worker = start(recipe, out, *few)
    before: list[Any] = []
    while [trial.state for trial in before] != [state.COMPLETE, state.RUNNING]:
        os.kill(worker.pid, signal.SIGCONT)
        time.sleep(0.1)
        assert worker.poll() is None, worker.communicate()
        os.kill(worker.pid, signal.SIGSTOP)  # stand still while we look
        before = trials_in(out) if (out / "study.journal").exists() else []
    worker.kill()
    worker.communicate()
    assert not (out / "trials.tsv").exists()

    again = start(recipe, out, *few)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    by_state = {kind: [] for kind in state}
    for trial in trials_in(out):
        by_state[trial.state].append(trial.user_attrs["point"])
    assert by_state[state.FAIL] == [1]
    assert sorted(by_state[state.COMPLETE]) == [0, 1, 2]
    assert trials_in(out)[0] == before[0]


@pytest.mark.slow
def test_the_best_recipe_repeats_the_best_trial(recipe, tmp_path) -> None:
    few = tables(recipe, "sweep.space.training.learning_rate=[1e-3, 2e-3]")
    best = sweep(few, tmp_path / "out", device="cpu")
    table = results(tmp_path / "out")
    model = analyse(Recipe.from_toml(best), device="cpu").models["ppca_vae"]
    assert model.history.rows[-1]["val_loss"] == table["val_loss"].min()
    assert table["val_loss"].nunique() == 4


def test_paths_in_the_best_recipe_lead_from_where_it_lies(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    rows = "\n".join(f"s{i}," + ",".join(str((i * 7 + j) % 9) for j in range(5)) for i in range(30))
    (folder / "mine.csv").write_text(f"sample,A,B,C,D,E\n{rows}\n")
    (folder / "mine.toml").write_text(
        "data = { path = 'mine.csv' }\nmodel = { latent_dim = 2 }\ntraining = { epochs = 2 }\n"
        "[sweep]\nspace = { seed = [1] }\n"
    )
    monkeypatch.chdir(tmp_path)
    best = sweep(tables_of(Path("recipes/mine.toml")), Path("results"), device="cpu")
    monkeypatch.chdir(folder)
    found = Recipe.from_toml(Path("..") / best)
    assert found.seed == 1
    assert Path(found.data.path).samefile(folder / "mine.csv")


def test_draws_lie_in_their_ranges_and_more_can_be_added(recipe, tmp_path) -> None:
    drawn = [
        "sweep.sampler=random",
        "sweep.space={training.learning_rate={low=1e-4, high=1e-2, log=true}, "
        "model.latent_dim={low=2, high=5, type='int'}}",
        "training.epochs=1",
    ]
    out = tmp_path / "random"
    sweep(tables(recipe, *drawn, "sweep.trials=3"), out, device="cpu")
    first = results(out)
    sweep(tables(recipe, *drawn, "sweep.trials=5"), out, device="cpu")
    more = results(out)
    pd.testing.assert_frame_equal(more.head(3), first)
    assert more["training.learning_rate"].between(1e-4, 1e-2).all()
    assert more["training.learning_rate"].nunique() == 5
    assert set(more["model.latent_dim"]) <= {2, 3, 4, 5}
    with pytest.raises(RunError, match="other settings"):
        sweep(tables(recipe, *drawn, "sweep.trials=5", "seed=1"), out, device="cpu")


def test_a_trial_that_diverges_is_recorded_and_not_the_best(recipe, tmp_path) -> None:
    wild = [
        "model.name=beta_vae",
        "training.epochs=3",
        "sweep.space={training.learning_rate=[1e30, 1e-3]}",
    ]
    url = f"sqlite:///{tmp_path}/study.db"
    wild += ["sweep.sampler=tpe", "sweep.trials=4", f"sweep.storage='{url}'"]
    best = sweep(tables(recipe, *wild), tmp_path / "out", device="cpu")
    table = results(tmp_path / "out").set_index("training.learning_rate")
    assert "not finite" in table.loc[1e30, "failed"].iloc[0]
    assert table.loc[1e30, "val_loss"].isna().all()
    assert Recipe.from_toml(best).model.training.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["sweep.space={}"], "sweep.space is empty"),
        (["sweep.space={training.epochs=[]}"], "sweep.space.training.epochs must be a list"),
        (["sweep.space={training.epochs=[1, 1]}"], "holds a value twice"),
        (["sweep.space={training.epoch=[1, 2]}"], "unknown key training.epoch; did you mean"),
        (["sweep.space={training.epochs=[0]}"], "training.epochs is 0"),
        (["sweep.space={model.nam=[1]}"], "sweep.space: unknown key model.nam"),
        (["sweep.space={seed={low=1, high=2}}"], "seed must be a list, or the sampler not a grid"),
        (["sweep.space={seed={low=2, high=1}}"], "sweep.space.seed: low is 2.0 and high 1.0"),
        (["sweep.space={seed={low=0, high=1, log=true}}"], "with log it must be above 0"),
        (["sweep.space={seed={low=0}}"], "sweep.space.seed.high: field required"),
        (["sweep.sampler=random"], "sweep.trials must be at least 1"),
        (["sweep.trials=3"], "a grid has its own"),
        (["sweep=1"], r"needs the tables \[sweep\]"),
    ],
)
def test_bad_sweeps_are_refused_before_training(recipe, changes, message) -> None:
    with pytest.raises(RecipeError, match=message):
        Plan.from_tables(tables(recipe, *changes))


def test_an_unknown_objective_is_refused_with_the_known_ones(recipe, tmp_path) -> None:
    wrong = tables(recipe, "sweep.objective=loss", "training.epochs=1")
    with pytest.raises(RecipeError, match=r"'loss' is not in the training history.*val_loss"):
        sweep(wrong, tmp_path / "out", device="cpu")


@pytest.mark.parametrize("name", ["sweep_tybalt", "sweep_brca"])
def test_shipped_sweeps_are_sound(name) -> None:
    from tybalt_like.io.datasets import PIPELINES

    plan = Plan.from_tables(tables_of(PIPELINES / f"{name}.toml"))
    assert plan.n_points == len(plan.grid()) == {"sweep_tybalt": 320, "sweep_brca": 24}[name]
