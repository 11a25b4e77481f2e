"""Latent spaces of many sizes: cells, what is skipped, tables, and the Snakefile."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tybalt_like import cli, evaluation, io
from tybalt_like.core.errors import RecipeError, RunError
from tybalt_like.core.toml import changed, tables_of
from tybalt_like.genes.gene_sets import GeneSets, covered
from tybalt_like.io import datasets
from tybalt_like.study import compression
from tybalt_like.study.compression import Plan, Space, SpaceJob
from tybalt_like.study.store import Store, named

RECIPE = """
name = "tiny"
data = { dataset = "tcga_brca", label = "pam50" }
split = { train = 0.5, calibration = 0.05 }
normalize = { n_genes = 300 }

[compression]
k = [3, 2]
seeds = 2
labels = ["pam50"]
genesets = "sets.gmt"

[compression.models]
pca = {}
nmf = { max_iter = 30 }
tybalt = { training = { epochs = 3, min_batches = 1 } }
permuted = { name = "pca", permuted = true }
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    """With one gene set that is found, genes of the apocrine gland, and one that is not."""
    folder = tmp_path_factory.mktemp("recipe")
    some = datasets.load("tcga_brca").var_names[::20]
    apocrine = "MUCL1", "CYP4Z1", "CLCA2", "CYP4Z2P", "SPINK8"
    lines = ["\t".join([name, "", *genes]) for name, genes in (("A", apocrine), ("B", some))]
    (folder / "sets.gmt").write_text("\n".join(lines))
    (folder / "tiny.toml").write_text(RECIPE)
    return folder / "tiny.toml"


def call(monkeypatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["tybalt-like", "compress", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def plan(recipe: Path, *changes: str) -> Plan:
    return Plan.from_tables(changed(tables_of(recipe), changes))


@pytest.fixture(scope="module")
def finished(recipe, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("compression")
    compression.train(plan(recipe), plan(recipe).jobs(), out, device="cpu")
    compression.collect(plan(recipe), out)
    return out


def stored(folder: Path, job: SpaceJob) -> Space:
    return Space.of(Store(folder / "jobs").load(job))


def test_cells_are_every_size_and_seed_of_what_a_seed_changes(recipe) -> None:
    cells = [job.name for job in plan(recipe).jobs()]
    seeded = ["nmf", "tybalt", "permuted"]
    expected = {f"{m}_k{k}_seed{s}" for m in seeded for k in (2, 3) for s in (0, 1)}
    assert set(cells) == expected | {"pca_k2_seed0", "pca_k3_seed0"}
    assert len(cells) == 14


def test_tables_say_what_the_cells_hold(finished, recipe) -> None:
    metrics = pd.read_csv(finished / "metrics.tsv", sep="\t")
    wide = metrics.pivot_table(index=["model", "k", "seed"], columns="metric", values="value")
    assert len(wide) == 14
    assert list(wide) == ["coverage", "mse", "probe pam50", "r2", "seconds"]
    assert wide.loc[("pca", 3, 0), "r2"] > wide.loc[("pca", 2, 0), "r2"] > 0.2
    assert (wide.loc["permuted", "r2"].abs() < 0.05).all()
    assert wide.loc[("pca", 3, 0), "coverage"] == 0.5
    space = {job: stored(finished, job) for job in plan(recipe).jobs()}
    stability = pd.read_csv(finished / "stability.tsv", sep="\t")
    assert "pca" not in set(stability["model"])
    nmf = stability.set_index(["model", "k"]).loc[("nmf", 3)]
    a, b = (space[SpaceJob("nmf", 3, seed)] for seed in (0, 1))
    assert nmf["cka"] == pytest.approx(evaluation.linear_cka(a.held_nk, b.held_nk))
    union = pd.read_csv(finished / "coverage.tsv", sep="\t").set_index(["model", "k"])
    sets = GeneSets.within(a.genes, io.read_gmt(recipe.parent / "sets.gmt"))
    assert wide.loc[("nmf", 3, 0), "coverage"] == covered(a.weights_kg, sets).mean()
    tybalts = [s.covered_s for c, s in space.items() if c.model == "tybalt"]
    assert union.loc[("tybalt", 3), "up_to_k"] == np.any(tybalts, axis=0).mean()
    assert {path.name for path in (finished / "figures").iterdir()} == {
        "compression.png",
        "compression.svg",
    }


def test_permuted_controls_judge_real_samples(finished) -> None:
    """Only what is trained on is permuted: a constant encoding would have an R2 of 0."""
    space = stored(finished, SpaceJob("permuted", 3, 0))
    real = stored(finished, SpaceJob("pca", 3, 0))
    assert space.held_nk.shape == real.held_nk.shape
    assert space.held_nk.var(0).sum() > 0


def test_finished_cells_are_left_alone_and_missing_ones_made(
    finished, recipe, monkeypatch, capsys
) -> None:
    jobs, job = finished / "jobs", SpaceJob("tybalt", 2, 1)
    gone = jobs / f"{job.name}.npz"
    before = {path: path.stat().st_mtime_ns for path in jobs.iterdir()}
    content = stored(finished, job)
    gone.unlink()
    assert call(monkeypatch, recipe, "--out", finished, "--collect") == 2
    assert "1 of 14 trainings are missing" in capsys.readouterr().err
    assert call(monkeypatch, recipe, "--out", finished, "--device", "cpu", "--quiet") == 0
    after = {path: path.stat().st_mtime_ns for path in jobs.iterdir()}
    assert {path for path in after if after[path] != before[path]} == {gone}
    np.testing.assert_array_equal(stored(finished, job).held_nk, content.held_nk)
    other = plan(recipe, "compression.models.tybalt.training.epochs=4")
    with pytest.raises(RunError, match=r"tybalt_k2_seed0\.npz was made with other settings"):
        compression.train(other, other.jobs(), finished)


def test_coverage_is_left_out_without_gene_sets(recipe, tmp_path) -> None:
    tables = tables_of(recipe)
    del tables["compression"]["genesets"]
    few = Plan.from_tables(changed(tables, ["compression.models={pca={}}", "compression.k=[2]"]))
    compression.train(few, few.jobs(), tmp_path, device="cpu")
    compression.collect(few, tmp_path)
    metrics = pd.read_csv(tmp_path / "metrics.tsv", sep="\t")
    assert set(metrics["metric"]) == {"r2", "mse", "probe pam50", "seconds"}
    assert not (tmp_path / "coverage.tsv").exists()
    assert (tmp_path / "figures" / "compression.png").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["compression.k=[2, 2]"], "different numbers of at least 1"),
        (["compression.models={}"], "compression.models is empty"),
        (["compression.models.pca.latent_dim=3"], "latent_dim comes from compression.k"),
        (["compression.models.pcs={}"], "compression.models.pcs: unknown model 'pcs'"),
        (["compression.models.nmf.iter=3"], "compression.models.nmf: unknown key model.iter"),
        (["model.name=pca"], "name models in"),
        (["compression=1"], r"needs the table \[compression\]"),
    ],
)
def test_bad_comparisons_are_refused_before_training(recipe, changes, message) -> None:
    with pytest.raises(RecipeError, match=message):
        plan(recipe, *changes)


@pytest.mark.parametrize("name", ["pca", "pca_k2_seed1", "pca_k4_seed0"])
def test_a_job_must_be_in_the_recipe(recipe, name) -> None:
    with pytest.raises(RecipeError, match="--job"):
        named(plan(recipe).jobs(), name)


def test_the_shipped_comparison_is_sound() -> None:
    shipped = datasets.PIPELINES / "compress_k.toml"
    assert len(plan(shipped).jobs()) == 6 * (6 * 5 + 1)


@pytest.mark.slow
def test_the_snakefile_trains_what_is_missing_and_collects(tmp_path) -> None:
    pytest.importorskip("snakemake", reason="snakemake is not installed")
    few = tmp_path / "few.toml"
    few.write_text(
        RECIPE.partition("[compression]")[0]
        + "[compression]\nk = [2]\nseeds = 1\n[compression.models]\npca = {}\nnmf = {}\n"
    )
    config = [f"recipe={few}", "out=results", f"command={sys.executable} -m tybalt_like"]
    snakefile = datasets.PIPELINES / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "-s", str(snakefile), "-j", "2", "--config"]

    def snakemake(*more: str) -> str:
        done = subprocess.run(
            [*command, *config, *more], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    snakemake()
    assert (tmp_path / "results" / "jobs" / "nmf_k2_seed0.npz").exists()
    metrics = pd.read_csv(tmp_path / "results" / "metrics.tsv", sep="\t")
    assert set(metrics["model"]) == {"pca", "nmf"}
    assert "Nothing to be done" in snakemake("-n")
