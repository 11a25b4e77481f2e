"""Treated samples: pairs, folds, readers, baselines, the run folder and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from tybalt_like import cli, io, keys
from tybalt_like.errors import DataError, RecipeError, RunError
from tybalt_like.perturbation import Cell, Plan, read
from tybalt_like.perturbation.agreement import agreement, change_agreement, intervals
from tybalt_like.perturbation.cell import Outcome, make
from tybalt_like.perturbation.design import Design, Simulation
from tybalt_like.perturbation.folds import folds, keep_labels, splits
from tybalt_like.perturbation.matching import chosen_controls, units
from tybalt_like.perturbation.prepare import prepare
from tybalt_like.perturbation.published import read_published
from tybalt_like.perturbation.simulation import TRUTH, simulate

QUICK = {
    "simulation": {"groups": 40, "single": 0.25, "unknown": 0.2, "n_genes": 12, "latent_dim": 3},
    "perturbation": {"group": "cell_line", "response": "response", "folds": 2},
    "model": {
        "name": "dr_vae", "latent_dim": 3, "top_dim": 2, "encoder_dims": [], "decoder_dims": [],
        "top_hidden_dims": [4],
    },
    "training": {"epochs": 4, "min_batches": 2, "min_epochs": 0, "learning_rate": 1e-2},
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def plan(**tables) -> Plan:
    merged = dict(QUICK)
    for key, table in tables.items():
        both = isinstance(table, dict) and key in QUICK
        merged[key] = QUICK[key] | table if both else table
    return Plan.from_tables({key: table for key, table in merged.items() if table is not None})


def plate(n_drugs: int = 6) -> pd.DataFrame:
    """Two lines, controls in two wells each, drugs at two durations."""
    rows = []
    for line in "AB":
        for hours in (6, 24):
            rows += [(line, hours, "vehicle", "")] * 2
            rows += [(line, hours, "compound", f"drug {i}") for i in range(n_drugs)]
    obs = pd.DataFrame(rows, columns=["line", "hours", "type", "drug"])
    obs.index = [f"well_{i}" for i in range(len(obs))]
    obs["response"] = np.where(obs["line"] == "A", 0.0, 1.0)
    return obs


PLATE = Design(group="line", treatment="type", control="vehicle", match=("hours",))


def test_pairs_are_of_one_group_and_match() -> None:
    obs = plate()
    found = units(obs, PLATE, drug="treatment")
    assert len(found.table) == (obs["type"] == "compound").sum()
    for name, controls in zip(found.table.index, found.candidates, strict=True):
        of = obs.iloc[controls]
        assert (of["type"] == "vehicle").all()
        assert (of["line"] == obs.loc[name, "line"]).all()
        assert (of["hours"] == obs.loc[name, "hours"]).all()
        assert len(of) == 2


def test_groups_without_treatment_are_single_samples() -> None:
    obs = plate()
    obs = obs[(obs["line"] == "A") | (obs["type"] == "vehicle")]
    found = units(obs, PLATE, drug="treatment")
    single = found.table[~found.table["is_pair"]]
    assert set(single["group"]) == {"B"}
    assert len(single) == 4
    assert [list(c) for c in found.candidates[-4:]] == [[row] for row in single["row"]]


def test_shared_controls_serve_one_fold_each() -> None:
    obs = plate(n_drugs=8)
    design = Design("line", "type", "vehicle", drug="drug", hold_out="drug", folds=2)
    found = units(obs, design, drug="treatment")
    assert found.shared_n.all()
    fold_n = folds(found, obs, design, seed=0)
    chosen = chosen_controls(found, design, fold_n, np.random.default_rng(0))
    used = [set(np.concatenate([c for c, f in zip(chosen, fold_n, strict=True) if f == fold]))
            for fold in (0, 1)]  # fmt: skip
    assert not used[0] & used[1]
    one = Design("line", "type", "vehicle", drug="drug", hold_out="drug", controls="one", folds=2)
    assert {len(c) for c in chosen_controls(found, one, fold_n, np.random.default_rng(0))} == {1}
    many = Design("line", "type", "vehicle", drug="drug", hold_out="drug", folds=8)
    fold_n = folds(found, obs, many, seed=0)
    with pytest.raises(DataError, match="too few for 8 folds"):
        chosen_controls(found, many, fold_n, np.random.default_rng(0))


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_folds_never_divide_a_group(seed: int, k: int) -> None:
    adata = simulate(Simulation(groups=30, n_genes=2, latent_dim=2, unknown=0.3, seed=seed))
    design = Design("cell_line", response="response", folds=k)
    found = units(adata.obs, design, drug="treatment")
    fold_n = folds(found, adata.obs, design, seed=seed)
    assert set(fold_n) == set(range(k))
    for fold in range(k):
        split_n = splits(found, fold_n, design, fold=fold, seed=seed)
        groups = {name: set(found.table["group"][split_n == name]) for name in set(split_n)}
        assert groups[keys.TEST] == set(found.table["group"][fold_n == fold])
        assert not groups[keys.TEST] & groups[keys.TRAIN]
        assert not groups[keys.VALIDATION] & groups[keys.TRAIN]
        known = keep_labels(found.table, split_n, share=0.2, seed=seed)
        test_n = split_n == keys.TEST
        np.testing.assert_array_equal(known[test_n], found.table["response"][test_n])
        n_before = found.table["response"][~test_n].notna().sum()
        assert np.isfinite(known[~test_n]).sum() <= max(2, 0.2 * n_before + 1)


def test_nothing_of_the_test_groups_is_learned(tmp_path: Path) -> None:
    """Changing held-out profiles and responses changes neither normaliser nor model."""
    adata = simulate(Simulation(groups=30, n_genes=6, latent_dim=2))
    held_n = adata.obs["cell_line"].isin([f"line_{i:04d}" for i in range(1, 11)]).to_numpy()
    adata.obs["part"] = np.where(held_n, "a", "b")
    made = []
    for name in ("one", "other"):
        io.write_h5ad(adata, tmp_path / f"{name}.h5ad")
        tables = {"simulation": None, "data": {"path": str(tmp_path / f"{name}.h5ad")}}
        of = plan(**tables, perturbation={"fold": "part"})
        made.append(make(of, Cell("treatment", 0, 0), read(of), device="cpu"))
        adata.X[held_n] += 5
        adata.obs.loc[held_n, "response"] = 1 - adata.obs.loc[held_n, "response"]
    assert set(made[0].outcome.arrays["group"]) == set(adata.obs["cell_line"][held_n])
    one, other = (of_one.model.state_dict() for of_one in made)
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=0)
    assert (made[0].outcome.arrays["scores"] != made[1].outcome.arrays["scores"]).any()


def test_agreement_is_scikit_learns_within_folds() -> None:
    rng = np.random.default_rng(0)
    y, score = rng.integers(0, 2, 60).astype(float), rng.integers(0, 9, 60).astype(float)
    fold = np.repeat([0, 1, 2], 20)
    found = agreement(y, score, np.zeros(60, dtype=int))
    assert found["auroc"] == pytest.approx(roc_auc_score(y, score))
    assert found["auprc"] == pytest.approx(average_precision_score(y, score))
    # Folds on scales of their own do not matter.
    assert agreement(y, score, fold) == pytest.approx(agreement(y, score + 100 * fold, fold))
    y[fold == 1] = 1
    both = fold != 1
    assert agreement(y, score, fold)["auroc"] == pytest.approx(
        agreement(y[both], score[both], fold[both])["auroc"]
    )
    assert np.isnan(agreement(np.ones(60), score, fold)["auroc"])
    numbers = agreement(score + y, score, np.zeros(60, dtype=int))
    assert numbers["correlation"] == pytest.approx(np.corrcoef(score + y, score)[0, 1])


def test_intervals_cover() -> None:
    """Of repeated experiments, nearly all intervals hold the true area."""
    rng, hits = np.random.default_rng(0), 0
    for i in range(30):
        y = np.repeat([0.0, 1.0], 40)
        score = y + rng.normal(size=80)
        groups = np.arange(80).astype(str)
        fold = np.tile([0, 1], 40)
        low, high = intervals(y, score, fold_n=fold, group_n=groups, seed=i)["auroc"]
        hits += low <= 0.7602 <= high  # Phi(1 / sqrt 2)
    assert hits >= 26


def test_measures_of_changes() -> None:
    rng = np.random.default_rng(0)
    x1, change = rng.normal(size=(50, 6)), rng.normal(size=(50, 6)) + np.arange(6)
    perfect = change_agreement(x1, x1 + change, x1 + change)
    assert perfect == pytest.approx(dict.fromkeys(perfect, 1.0))
    none = change_agreement(x1, x1 + change, x1)
    assert none["gene_correlation"] == none["sample_correlation"] == none["explained"] == 0
    mean = change_agreement(x1, x1 + change, x1 + change.mean(0))
    assert mean["gene_correlation"] == 0
    assert mean["mean_correlation"] == pytest.approx(1)
    assert 0 < mean["explained"] < 1


def test_simulated_truth_is_the_mean_change() -> None:
    settings = Simulation(groups=4000, n_genes=5, latent_dim=2, noise=1.0, single=0.1)
    adata = simulate(settings)
    treated = adata[adata.obs["treatment"] == "treated"]
    control = adata[adata.obs["treatment"] == "control"]
    assert len(treated) == 3600
    before = control[[f"{line}_before" for line in treated.obs["cell_line"]]]
    found = (treated.X - before.X).mean(0)
    np.testing.assert_allclose(found, treated.layers[TRUTH].mean(0), atol=0.1)
    assert (simulate(settings).X == adata.X).all()


@pytest.mark.parametrize("model", ["pert_vae", "ss_vae", "dr_vae"])
def test_a_run_is_a_whole_folder(model: str, tmp_path: Path, capsys) -> None:
    recipe = tmp_path / "mine.toml"
    tables = {key: dict(table) for key, table in QUICK.items()}
    tables["model"]["name"] = model
    if model == "pert_vae":
        tables["model"] = {k: v for k, v in tables["model"].items() if "top" not in k}
    from tybalt_like import toml

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


def test_names_in_the_page_are_escaped(tmp_path: Path) -> None:
    adata = simulate(Simulation(groups=30, n_genes=6, latent_dim=2, unknown=0.2))
    adata.var_names = [f"<b>{name}</b>" for name in adata.var_names]
    adata.obs["cell_line"] = "<script>" + adata.obs["cell_line"].astype(str)
    io.write_h5ad(adata, tmp_path / "data.h5ad")
    tables = {key: table for key, table in QUICK.items() if key != "simulation"}
    from tybalt_like import toml

    recipe = tmp_path / "mine.toml"
    recipe.write_text(toml.document(tables | {"data": {"path": "data.h5ad"}}))
    run(recipe, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "&lt;script&gt;line_" in page
    assert "<script>line_" not in page


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch) -> None:
    from tybalt_like.perturbation import verb

    of, out = plan(), tmp_path / "out"
    verb.run(of, tmp_path / "whole", device="cpu")
    made: list[str] = []
    carry_out = verb.make

    def counted(plan: Plan, cell: Cell, *rest, **options):
        if len(made) == 2 and not out.exists() and "again" not in made:
            made.append("again")
            raise KeyboardInterrupt
        made.append(cell.name)
        return carry_out(plan, cell, *rest, **options)

    monkeypatch.setattr(verb, "make", counted)
    with pytest.raises(KeyboardInterrupt):
        verb.run(of, out, device="cpu")
    verb.run(of, out, device="cpu", resume=True)
    assert sorted(set(made) - {"again"}) == sorted(made[:2] + made[3:])
    for name in ("predictions.tsv.gz", "changes.tsv"):
        one, other = (pd.read_csv(tmp_path / f / name, sep="\t") for f in ("whole", "out"))
        pd.testing.assert_frame_equal(one, other)
    with pytest.raises(RunError, match="other settings"):
        verb.train(plan(training={"epochs": 5}), [Cell("treatment", 0, 0)], read(of), out / "cells")


def test_trainings_one_by_one_are_the_run(tmp_path: Path, capsys) -> None:
    from tybalt_like import toml

    recipe = tmp_path / "mine.toml"
    recipe.write_text(toml.document(QUICK))
    command("perturbation", recipe, "--list")
    names = capsys.readouterr().out.split()
    assert names == ["treatment_all_seed0", "treatment_fold0_seed0", "treatment_fold1_seed0"]
    cells = tmp_path / "cells"
    for name in names:
        command("perturbation", recipe, "--cells", cells, "--cell", name, "--device", "cpu")
    before = {path.name: path.stat().st_mtime_ns for path in cells.iterdir()}
    command("perturbation", recipe, "--cells", cells, "--out", tmp_path / "out", "--quiet")
    assert {path.name: path.stat().st_mtime_ns for path in cells.iterdir()} == before
    run(recipe, tmp_path / "at_once")
    one, other = (tmp_path / name / "responses.tsv" for name in ("out", "at_once"))
    assert one.read_text() == other.read_text()
    stored = Outcome.load(cells / "treatment_fold0_seed0.npz")
    assert stored.about["changes"]["no change"]["gene_correlation"] == 0


def test_snakemake_trains_and_collects(tmp_path: Path) -> None:
    pytest.importorskip("snakemake")
    from tybalt_like import toml
    from tybalt_like.datasets import PIPELINES

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
    assert len(list((folder / "cells").glob("*.npz"))) == 3


def published(path: Path, **changes: object) -> Path:
    """A small file in the layout of Dr.VAE's data."""
    rng = np.random.default_rng(0)
    lines = [f"L{i}" for i in range(12)]
    y_nd = np.tile([[0, 1], [1, 0], [-1, 1]], (4, 1))
    data: dict[str, object] = {
        "sing_x1": rng.normal(size=(12, 5)), "sing_cid": np.array(lines, dtype="S"),
        "sing_y": y_nd, "sing_ycont": np.where(y_nd < 0, np.nan, y_nd),
        "pair_x1": rng.normal(size=(6, 5)), "pair_x2": rng.normal(size=(6, 5)),
        "pair_cid": np.array(lines[:3] * 2, dtype="S"),
        "pair_drug": np.array(["x"] * 3 + ["y z"] * 3, dtype="S"),
        "pair_y": np.array([0, 1, -1, 1, 0, 1]), "pair_conc": np.ones(6),
        "drug_drug": np.array(["x", "y z"], dtype="S"), "drug_threshold": np.zeros(2),
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for key, value in (data | changes).items():
            if value is not None:
                file[key] = value
    return path


def test_published_layout(tmp_path: Path) -> None:
    path = published(tmp_path / "drvae.h5")
    adata, responses = read_published(path)
    assert adata.shape == (24, 5)
    known = responses.set_index(["cell_line", "drug"])["response"]
    assert known["L0", "x"] == 0
    assert known["L0", "y z"] == 1
    assert ("L2", "x") not in known.index
    of = plan(
        simulation=None,
        data={"path": str(path)},
        perturbation={
            "group": "cell_line", "treatment": "state", "control": "before", "drug": "drug",
            "drugs": ["all"], "match": ["pair"], "response": "response",
        },
    )  # fmt: skip
    samples = read(of)
    assert list(samples.units) == ["x", "y z"]
    table = samples.units["y z"].table
    assert table["is_pair"].sum() == 3
    assert set(table["group"][~table["is_pair"]]) == {f"L{i}" for i in range(3, 12)}
    assert Cell("y z", 0, 0).name != Cell("y_z", 0, 0).name
    with pytest.raises(DataError, match="halves of the pairs do not match"):
        read_published(published(tmp_path / "half.h5", pair_x2=np.zeros((5, 5))))
    with pytest.raises(DataError, match="no 'drug_drug'"):
        read_published(published(tmp_path / "none.h5", drug_drug=None))
    with pytest.raises(DataError, match="pair_y has 4 rows where pair_x1 has 6"):
        read_published(published(tmp_path / "rows.h5", pair_y=np.zeros(4)))


def test_gct_with_a_table_of_responses(tmp_path: Path) -> None:
    rng, wells = np.random.default_rng(0), []
    for line in range(12):
        wells += [(f"L{line}", "ctl_vehicle", "DMSO"), (f"L{line}", "trt_cp", "x")]
    n = len(wells)
    lines = ["#1.3", f"4\t{n}\t0\t3", "\t".join(["id", *(f"w{i}" for i in range(n))])]
    for i, name in enumerate(("cell_id", "pert_type", "pert_iname")):
        lines.append("\t".join([name, *(well[i] for well in wells)]))
    for gene in range(4):
        lines.append("\t".join([f"g{gene}", *(f"{v:.4f}" for v in rng.normal(8, 1, n))]))
    (tmp_path / "plate.gct").write_text("\n".join(lines) + "\n")
    table = pd.DataFrame({"cell_id": [f"L{i}" for i in range(10)], "pert_iname": "x"})
    table["auc"] = np.linspace(0, 1, 10)
    table.to_csv(tmp_path / "ctrp.csv", index=False)
    design = {
        "group": "cell_id", "treatment": "pert_type", "control": "ctl_vehicle",
        "drug": "pert_iname", "drugs": ["x"], "responses": str(tmp_path / "ctrp.csv"),
        "response": "auc", "threshold": "median",
    }  # fmt: skip
    of = plan(simulation=None, data={"path": str(tmp_path / "plate.gct")}, perturbation=design)
    samples = read(of)
    assert samples.units["x"].table["response"].notna().sum() == 10
    ready = prepare(of, Cell("x", 0, 0), samples)
    assert set(ready.y_n[~np.isnan(ready.y_n)]) == {0.0, 1.0}
    assert ready.pairs.obs[keys.RESPONSE][ready.split(keys.TEST)].isna().all()
    table.loc[0, "auc"] = 0.9
    pd.concat([table, table.assign(auc=2.0)]).to_csv(tmp_path / "ctrp.csv", index=False)
    with pytest.raises(DataError, match="L0 and x come twice with different auc"):
        read(of)
    table.astype({"auc": str}).replace("0.9", "high").to_csv(tmp_path / "ctrp.csv", index=False)
    with pytest.raises(DataError, match="L0 and x is 'high', not a number"):
        read(of)


def table_of(obs: pd.DataFrame, tmp_path: Path) -> dict[str, object]:
    """A plan's tables for samples with that table."""
    x = np.random.default_rng(0).normal(size=(len(obs), 4)).astype(np.float32)
    io.write_h5ad(AnnData(x, obs=obs), tmp_path / "plate.h5ad")
    return {"simulation": None, "data": {"path": str(tmp_path / "plate.h5ad")}}


BAD = {
    "column": ({"match": ["time"]}, None, "match: the sample table has no column 'time'"),
    "control": ({"control": "DMSO"}, None, "no untreated samples: 'type' is never 'DMSO'"),
    "drug": ({"drug": "drug", "drugs": ["z"]}, None, "no treated sample has drug = 'z'"),
    "unmatched": (
        {},
        lambda o: o[~((o["line"] == "B") & (o["hours"] == 6) & (o["type"] == "vehicle"))],
        "6 of 24 treated samples have no control, such as well_18: none has line = B, hours = 6",
    ),
    "one class": (
        {},
        lambda o: o.assign(response=1.0),
        "all 24 known responses are 1; two classes are needed",
    ),
    "one class of a drug": (
        {"drug": "drug", "drugs": ["drug 1"]},
        lambda o: o.assign(response=np.where(o["drug"] == "drug 1", 0.0, 1.0)),
        "all 4 known responses of drug 1 are 0",
    ),
    "unlabelled": (
        {},
        lambda o: o.assign(response=np.nan),
        "no response is known: 'response' is empty in all 24 samples; pert_vae needs none",
    ),
    "numbers": (
        {},
        lambda o: o.assign(response=np.arange(len(o)) / 2),
        "is neither 0 nor 1; set perturbation.threshold",
    ),
    "folds by hand": (
        {"fold": "part"},
        lambda o: o.assign(part=np.where(o["hours"] == 6, "one", "two")),
        "line 'A' lies in the folds one and two",
    ),
    "too few groups": ({"folds": 3}, None, "'line' has 2 values, too few for 3 folds"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    design, change, message = BAD[case]
    obs = plate() if change is None else change(plate())
    base = {"group": "line", "treatment": "type", "control": "vehicle", "match": ["hours"]}
    base |= {"response": "response", "folds": 2}
    with pytest.raises(DataError) as refused:
        read(plan(**table_of(obs, tmp_path), perturbation=base | design))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"model": {"name": "tybalt"}}, "knows no treatment"),
        ({"perturbation": {"response": None}}, "needs perturbation.response"),
        ({"perturbation": {"labelled": 0.0}}, "must lie in (0, 1]"),
        ({"perturbation": {"grup": "x"}}, "did you mean 'group'?"),
        ({"scores": {}}, "unknown key scores"),
        ({"data": {"dataset": "kang_ifnb"}}, "give either [data] or [simulation]"),
        ({"simulation": {"groups": 3}}, "simulation.groups must be at least 20"),
    ],
)
def test_bad_recipes_are_refused(tables: dict, message: str) -> None:
    with pytest.raises(RecipeError) as refused:
        plan(**tables)
    assert message in str(refused.value)


def test_the_command_says_one_sentence_and_exits_with_2(tmp_path: Path, capsys) -> None:
    from tybalt_like import toml

    recipe = tmp_path / "bad.toml"
    recipe.write_text(toml.document(QUICK | {"perturbation": {"group": "line"}, "model": {
        "name": "pert_vae"}}))  # fmt: skip
    with pytest.raises(SystemExit) as stopped:
        run(recipe, tmp_path / "out")
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: perturbation.group: the sample table has no column 'line'")
    assert not list(tmp_path.glob("out*"))


def test_unmatched_samples_can_be_left_out() -> None:
    obs = plate()
    obs = obs[~((obs["line"] == "B") & (obs["hours"] == 6) & (obs["type"] == "vehicle"))]
    found = units(obs, Design("line", "type", "vehicle", match=("hours",), unmatched="drop"),
                  drug="treatment")  # fmt: skip
    assert found.table["is_pair"].sum() == 18
    assert "6 of 24" in found.notes[0]


def test_recovers_the_perturbation_and_beats_logistic_regression() -> None:
    """One sample in ten has a known response, nine pairs in ten have none."""
    of = Plan.from_tables(
        {
            "simulation": {"groups": 400, "n_genes": 300, "latent_dim": 6, "effect": 3.0,
                           "noise": 1.2},
            "perturbation": {"group": "cell_line", "response": "response", "labelled": 0.1},
            "model": {"name": "dr_vae", "latent_dim": 20, "top_dim": 20, "encoder_dims": [],
                      "decoder_dims": [50], "rate": 3.0, "noise": 0.3},
            "training": {"batch_size": 50, "min_batches": 4, "learning_rate": 1e-3},
        }
    )  # fmt: skip
    samples = read(of)
    outcomes = [make(of, Cell("treatment", f, 0), samples, device="cpu").outcome for f in (0, 1)]
    area = {"dr_vae": [], "logistic on x1": []}
    for outcome in outcomes:
        found = outcome.about["changes"]["dr_vae"]
        assert found["true_correlation"] > 0.9
        assert (
            found["gene_correlation"] > outcome.about["changes"]["ridge on x1"]["gene_correlation"]
        )
        arrays = outcome.arrays
        for name, values in area.items():
            score_n = arrays["scores"][:, list(arrays["methods"]).index(name)]
            values.append(roc_auc_score(arrays["y"], score_n))
    assert np.mean(area["dr_vae"]) > np.mean(area["logistic on x1"])


def test_real_hepatocytes_pair_up(shared_data: Path) -> None:
    obs = io.read(shared_data / "tggates_hepatocyte" / "tggates_hepatocyte.h5ad").obs
    design = Design("exp_id", "xptype", "control", match=("individual_id", "duration"))
    found = units(obs, design, drug="treatment")
    assert found.table["is_pair"].sum() == 1712
    assert {len(c) for c in found.candidates} == {1}
