"""The run folder, its page, the command and the Snakefile."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from quick import QUICK, plan

from tybalt_like import cli, io
from tybalt_like.core.errors import RunError
from tybalt_like.perturbation import PairedJob, Plan, read
from tybalt_like.perturbation.design import Simulation
from tybalt_like.perturbation.simulation import simulate
from tybalt_like.study.store import Store


@pytest.mark.slow
@pytest.mark.parametrize("model", ["pert_vae", "ss_vae", "dr_vae"])
def test_a_run_is_a_whole_folder(model: str, tmp_path: Path, capsys) -> None:
    recipe = tmp_path / "mine.toml"
    tables = {key: dict(table) for key, table in QUICK.items()}
    tables["model"]["name"] = model
    if model == "pert_vae":
        tables["model"] = {k: v for k, v in tables["model"].items() if "top" not in k}
    from tybalt_like.core import toml

    recipe.write_text(toml.document(tables))
    run(recipe, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "run.json").read_text())
    assert about["simulated"]
    assert about["versions"]
    assert not list(tmp_path.glob("*.partial"))
    assert not list((tmp_path / "out").rglob("*.pkl"))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "simulated" in page
    assert "<script src" not in page
    expected = {"trainings.tsv", "latent.tsv.gz"}
    expected |= {"changes.tsv", "genes.tsv.gz"} if model != "ss_vae" else set()
    expected |= {"predictions.tsv.gz", "responses.tsv"} if model != "pert_vae" else set()
    assert expected <= {path.name for path in (tmp_path / "out").iterdir()}
    assert "report:" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run(recipe, tmp_path / "out")
    assert "exists" in capsys.readouterr().err
    if model == "dr_vae":
        table = pd.read_csv(tmp_path / "out" / "predictions.tsv.gz", sep="\t")
        assert table["sample"].is_unique
        assert table["y"].isna().any()
        assert ((table["low"] <= table["dr_vae"]) & (table["dr_vae"] <= table["high"])).mean() > 0.9
        sys.argv = ["tybalt-like", "report", "--help"]
        (tmp_path / "out" / "report.html").unlink()
        command("report", tmp_path / "out")
        assert (tmp_path / "out" / "report.html").exists()


def command(*words: object) -> None:
    sys.argv = ["tybalt-like", *map(str, words)]
    try:
        cli.main()
    except SystemExit as stopped:
        if stopped.code:
            raise


def run(recipe: Path, out: Path, *words: object) -> None:
    command("run", recipe, "--out", out, "--device", "cpu", "--quiet", *words)


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_names_in_the_page_are_escaped(tmp_path: Path) -> None:
    adata = simulate(Simulation(groups=30, n_genes=6, latent_dim=2, unknown=0.2))
    adata.var_names = [f"<b>{name}</b>" for name in adata.var_names]
    adata.obs["cell_line"] = "<script>" + adata.obs["cell_line"].astype(str)
    io.write_h5ad(adata, tmp_path / "data.h5ad")
    tables = {key: table for key, table in QUICK.items() if key != "simulation"}
    from tybalt_like.core import toml

    recipe = tmp_path / "mine.toml"
    recipe.write_text(toml.document(tables | {"data": {"path": "data.h5ad"}}))
    run(recipe, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "&lt;script&gt;line_" in page
    assert "<script>line_" not in page


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch) -> None:
    from tybalt_like.perturbation import analysis as verb

    of, out = plan(), tmp_path / "out"
    made: list[str] = []
    execute = verb.train_pairs

    def counted(plan: Plan, job: PairedJob, *rest, **options):
        if len(made) == 2 and not out.exists() and "again" not in made:
            made.append("again")
            raise KeyboardInterrupt
        made.append(job.name)
        return execute(plan, job, *rest, **options)

    monkeypatch.setattr(verb, "train_pairs", counted)
    with pytest.raises(KeyboardInterrupt):
        verb.run(of, out, device="cpu")
    verb.run(of, out, device="cpu", resume=True)
    assert sorted(set(made) - {"again"}) == sorted(made[:2] + made[3:])
    other, jobs = plan(training={"epochs": 5}), [PairedJob("treatment", 0, 0)]
    with pytest.raises(RunError, match="other settings"):
        verb.train(other, jobs, read(of), Store(out / "jobs"))


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_trainings_one_by_one_are_the_run(tmp_path: Path, capsys) -> None:
    from tybalt_like.core import toml

    recipe = tmp_path / "mine.toml"
    recipe.write_text(toml.document(QUICK))
    command("perturbation", recipe, "--list")
    names = capsys.readouterr().out.split()
    assert names == ["treatment_all_seed0", "treatment_fold0_seed0", "treatment_fold1_seed0"]
    jobs = tmp_path / "jobs"
    for name in names:
        command("perturbation", recipe, "--jobs", jobs, "--job", name, "--device", "cpu")
    before = {path.name: path.stat().st_mtime_ns for path in jobs.iterdir()}
    command("perturbation", recipe, "--cells", jobs, "--out", tmp_path / "out", "--quiet")
    assert {path.name: path.stat().st_mtime_ns for path in jobs.iterdir()} == before
    run(recipe, tmp_path / "at_once")
    one, other = (tmp_path / name / "responses.tsv" for name in ("out", "at_once"))
    assert one.read_text() == other.read_text()
    stored = Store(jobs).load(PairedJob("treatment", 0, 0))
    assert stored.about["of_samples"]["no change"]["shared_control_correlation"] == 0


@pytest.mark.slow
def test_snakemake_trains_and_collects(tmp_path: Path) -> None:
    pytest.importorskip("snakemake")
    from tybalt_like.core import toml
    from tybalt_like.io.datasets import PIPELINES

    (tmp_path / "mine.toml").write_text(toml.document(QUICK))
    command_line = f"{sys.executable} -m tybalt_like"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", PIPELINES / "Snakefile", "perturbation", "-c1",
         "--config", "recipe=mine.toml", f"command={command_line}", "--quiet"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "reports" / "perturbation" / "mine"
    assert (folder / "run" / "report.html").exists()
    assert len(list((folder / "jobs").glob("*.npz"))) == 3


def test_the_command_says_one_sentence_and_exits_with_2(tmp_path: Path, capsys) -> None:
    from tybalt_like.core import toml

    recipe = tmp_path / "bad.toml"
    recipe.write_text(toml.document(QUICK | {"perturbation": {"group": "line"}, "model": {
        "name": "pert_vae"}}))  # fmt: skip
    with pytest.raises(SystemExit) as stopped:
        run(recipe, tmp_path / "out")
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: perturbation.group: the sample table has no column 'line'")
    assert not list(tmp_path.glob("out*"))
