"""From a matrix to a run folder, through the command line, as a user goes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from tybalt_like import Recipe, Run, cli, read
from tybalt_like.io import datasets
from tybalt_like.run.about import located_again
from tybalt_like.run.stages import analyse

pytestmark = pytest.mark.usefixtures("module_without_figures", "one_thread")
COMMAND = [sys.executable, "-m", "tybalt_like"]
QUICK = ["--set", "training.epochs=40", "--set", "training.min_epochs=5"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    """A user's files: genes x samples TSV and a clinical table, from the embedded cohort."""
    return written(datasets.load("tcga_brca")[::3, :300], tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    """The same of every fourth sample, where what is learned does not matter."""
    return written(datasets.load("tcga_brca")[::4, :100], tmp_path_factory.mktemp("few"))


def written(adata: AnnData, folder: Path) -> Path:
    adata.to_df().T.to_csv(folder / "expression.tsv.gz", sep="\t")
    adata.obs[["pam50", "race"]].to_csv(folder / "clinical.tsv", sep="\t")
    return folder


LEAN = ["--set", "evaluation.seeds=1", "--set", "evaluation.baselines=['pca']"]


def call(*arguments: object, monkeypatch) -> int:
    """Run the command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["tybalt-like", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def files(cohort: Path) -> list[object]:
    return ["--data", cohort / "expression.tsv.gz", "--obs", cohort / "clinical.tsv"]


LUMINAL = ["--label", "pam50", "--normal", "Luminal A,Luminal B", "--anomaly", "Basal-like"]


@pytest.fixture(scope="module")
def finished(cohort, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "mine"
    options = [*files(cohort), *LUMINAL, *QUICK, "--set", "model.latent_dim=20", "--quiet"]
    with pytest.MonkeyPatch.context() as changed:
        assert call("run", *options, "--out", out, monkeypatch=changed) == 0
    return out


def scores_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "scores.tsv", sep="\t", index_col=0)


@pytest.mark.slow
def test_run_folder_holds_what_was_promised(finished) -> None:
    about = json.loads((finished / "run.json").read_text())
    scores = scores_of(finished)
    latent = pd.read_csv(finished / "latent.tsv.gz", sep="\t", index_col=0)
    assert about["splits"]["query"] == (~scores["pam50"].isin(["Luminal A", "Luminal B"])).sum()
    assert latent.index.equals(scores.index)
    assert {"pam50", "race", "ppca_vae_1", "ppca_vae_20"} <= set(latent)
    weights = pd.read_csv(finished / "gene_weights.tsv.gz", sep="\t", index_col=0)
    assert list(weights.columns) == (finished / "genes.txt").read_text().split()
    tested = scores["tybalt_split"] == "query"
    assert scores.loc[tested, "default_q_value"].notna().all()
    assert scores.loc[~tested, "default_q_value"].isna().all()
    known = scores.loc[~tested, "default_combined"].max()
    assert about["flagged"] == {
        "tested": tested.sum(),
        "flagged": (scores["default_q_value"] <= about["fdr"]).sum(),
        "beyond": (scores.loc[tested, "default_combined"] > known).sum(),
    }
    metrics = pd.read_csv(finished / "metrics.tsv", sep="\t").fillna({"model": ""})
    metrics = metrics.set_index(["model", "score"])
    assert metrics.index[0] == ("default", "combined")
    assert metrics.loc[("default", "combined"), "auroc"].item() > 0.95
    assert metrics.loc[("ppca_vae", "combined"), "auroc"].item() > 0.85
    assert ("", "norm") in metrics.index
    history = pd.read_csv(finished / "history.csv")
    assert {"train_reconstruction", "train_kl", "train_beta", "val_loss"} <= set(history)
    card = pd.read_csv(finished / "evaluation.tsv", sep="\t")
    assert {"ppca_vae", "pca", "ica", "nmf", "genes", "permuted genes"} <= set(card["encoder"])
    assert {"loss", "r2", "cka", "linear_macro_f1", "knn_macro_f1", "ari"} <= set(card["metric"])
    genes = pd.read_csv(finished / "evaluation_genes.tsv.gz", sep="\t")
    assert set(genes["gene"]) == set(weights.columns)
    samples = pd.read_csv(finished / "evaluation_samples.tsv.gz", sep="\t")
    assert set(samples["sample"]) == set(scores.index[scores["tybalt_split"] == "test"])
    features = pd.read_csv(finished / "latent_features.tsv", sep="\t", index_col=0)
    assert list(features.index) == list(latent.filter(regex="^ppca_vae_").columns)
    assert about["evaluation"]["test"] == about["splits"]["test"]
    assert (finished / "report.html").stat().st_size > 100_000
    assert not finished.with_name("mine.partial").exists()


@pytest.mark.slow
def test_flagged_samples_are_explained(finished) -> None:
    scores = scores_of(finished)
    genes = pd.read_csv(finished / "gene_scores.tsv.gz", sep="\t")
    assert set(genes["sample"]) == set(scores.index[scores["default_flagged"]])
    assert (genes.groupby("sample")["rank"].max() == 20).all()
    assert ((genes["z"] > 0) == (genes["direction"] == "up")).all()


@pytest.mark.slow
def test_new_samples_get_the_scores_that_they_had_in_the_run(finished, cohort, tmp_path) -> None:
    matrix = pd.read_csv(cohort / "expression.tsv.gz", sep="\t", index_col=0)
    scores = scores_of(finished)
    query = scores.index[scores["tybalt_split"] == "query"][:15]
    shuffled = matrix.sample(frac=1, random_state=0)
    shuffled[query].T.to_csv(tmp_path / "new.csv")
    run = Run.load(finished)
    table = run.score(read(tmp_path / "new.csv"))
    for column in ("default_combined", "default_p_value", "ppca_vae_combined", "ppca_vae_knn"):
        np.testing.assert_allclose(table[column], scores.loc[query, column], rtol=1e-5)
    latent = run.latent(read(tmp_path / "new.csv"))
    all_latent = pd.read_csv(finished / "latent.tsv.gz", sep="\t", index_col=0)
    np.testing.assert_allclose(latent, all_latent.loc[query, latent.columns], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_new_samples_without_the_trained_genes_are_refused(
    finished, cohort, tmp_path, monkeypatch, capsys
) -> None:
    matrix = pd.read_csv(cohort / "expression.tsv.gz", sep="\t", index_col=0)
    matrix.iloc[60:, :3].to_csv(tmp_path / "few.tsv", sep="\t")
    out = tmp_path / "scores.tsv"
    code = call(
        "score", "--run", finished, tmp_path / "few.tsv", "-o", out, monkeypatch=monkeypatch
    )
    message = capsys.readouterr().err
    assert code == 2
    assert "60 of the 300 trained genes (20%) are missing" in message
    assert not out.exists()


@pytest.mark.slow
def test_same_seed_same_model_byte_for_byte(finished, cohort, tmp_path) -> None:
    about = json.loads((finished / "run.json").read_text())
    recipe = Recipe.from_tables(located_again(about, finished, data=[cohort]))
    results = analyse(recipe, device="cpu")
    results.models["ppca_vae"].save(tmp_path / "again")
    assert (finished / "model.safetensors").read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.slow
def test_interrupted_twice_a_run_ends_with_the_same_result(few, tmp_path, monkeypatch) -> None:
    out, whole = tmp_path / "mine", tmp_path / "whole"
    checkpoint = tmp_path / "mine.partial" / "checkpoint.safetensors"
    settings = ["model.latent_dim=10", "normalize.n_genes=60", "training.epochs=100"]
    settings += ["training.checkpoint_seconds=0", "evaluation.seeds=0", "pictures.maps=[]"]
    options = [*files(few), *LUMINAL, "--threads", 1]
    options += [word for setting in settings for word in ("--set", setting)]
    seen = None
    for kind in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(
            [*COMMAND, "run", *map(str, options), "--out", out, "--resume"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # A background job inherits SIGINT as ignored; a user's run does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        while not checkpoint.exists() or checkpoint.stat().st_mtime == seen:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        process.send_signal(kind)
        _, errors = process.communicate()
        assert process.returncode != 0
        assert "Traceback" not in errors
        assert not out.exists()
        seen = checkpoint.stat().st_mtime
    for folder in (out, whole):
        words = [*options, "--quiet", "--out", folder, "--resume"]
        assert call("run", *words, monkeypatch=monkeypatch) == 0
    for file in ("latent.tsv.gz", "scores.tsv", "model.safetensors"):
        assert (out / file).read_bytes() == (whole / file).read_bytes(), file
    assert not list(out.glob("checkpoint*"))


@pytest.mark.slow
def test_without_reference_labels_every_sample_is_tested(cohort, tmp_path, monkeypatch) -> None:
    out = tmp_path / "all"
    matrix = pd.read_csv(cohort / "expression.tsv.gz", sep="\t", index_col=0)
    planted = matrix.iloc[:, :90].copy()
    planted.iloc[:, 7] = planted.iloc[::-1, 7].to_numpy()  # every gene has another gene's value
    planted.to_csv(tmp_path / "m.tsv", sep="\t")
    options = ["--set", "model.latent_dim=10", *QUICK, *LEAN, "--quiet", "--out", out]
    assert call("run", "--data", tmp_path / "m.tsv", *options, monkeypatch=monkeypatch) == 0
    scores = scores_of(out)
    assert scores["default_q_value"].notna().all()
    assert scores["default_combined"].idxmax() == planted.columns[7]
    assert scores["default_p_value"].iloc[7] == scores["default_p_value"].min()
    genes = pd.read_csv(out / "gene_scores.tsv.gz", sep="\t")
    assert genes["sample"].iloc[0] == planted.columns[7]
    # Under the null, conformal p-values are uniform, also those of samples in the training split.
    for _, p in scores.groupby(scores["tybalt_split"] == "train")["default_p_value"]:
        assert abs((p <= 0.5).mean() - 0.5) < 0.2


@pytest.mark.slow
def test_genes_of_interest_are_looked_at_and_marked(cohort, tmp_path, monkeypatch, capsys) -> None:
    matrix = pd.read_csv(cohort / "expression.tsv.gz", sep="\t", index_col=0)
    dullest = matrix.sub(matrix.mean(axis=1), axis=0).abs().mean(axis=1).nsmallest(5).index
    panel, out = tmp_path / "panel.txt", tmp_path / "out"
    panel.write_text("symbol\n" + "\n".join([*dullest, "NOT_A_GENE"]))
    lean = ["--set", "model.name=pca", "--set", "pictures.maps=[]", *LEAN]
    options = [*files(cohort), *LUMINAL, *lean, "--set", "normalize.n_genes=50"]
    asked = ["--genes-of-interest", panel, "--out", out]
    assert call("run", *options, *asked, monkeypatch=monkeypatch) == 0
    assert "5 genes of interest in the matrix" in capsys.readouterr().err
    assert set(dullest) <= set((out / "genes.txt").read_text().split())
    genes = pd.read_csv(out / "gene_scores.tsv.gz", sep="\t")
    assert set(genes.loc[genes["of_interest"], "gene"]) <= set(dullest)
    assert genes["of_interest"].any()
    panel.write_text("NOT_A_GENE\n")
    assert call("run", *options, *asked, "--overwrite", monkeypatch=monkeypatch) == 2
    assert "none of its 1 genes (such as NOT_A_GENE)" in capsys.readouterr().err


def broken(name: str, cohort: Path, folder: Path) -> list[object]:
    """Arguments of `run` with one thing wrong."""
    matrix = pd.read_csv(cohort / "expression.tsv.gz", sep="\t", index_col=0).iloc[:50, :40]
    clinical = cohort / "clinical.tsv"
    path = folder / "m.tsv"
    if name == "empty":
        path.touch()
        return ["--data", path]
    if name == "missing":
        return ["--data", folder / "nothing.tsv"]
    if name == "strangers":
        matrix = matrix.add_prefix("other_")
    elif name == "duplicated":
        matrix.columns = [*matrix.columns[:-1], matrix.columns[0]]
    elif name == "text":
        matrix = matrix.astype(object)
        matrix.iloc[3, 5] = "n.d."
    elif name == "all missing":
        matrix.iloc[4] = np.nan
    elif name == "infinite":
        matrix.iloc[4, 6] = np.inf
    elif name == "few":
        matrix = matrix.iloc[:, :12]
    matrix.to_csv(path, sep="\t")
    return ["--data", path, *(["--obs", clinical] if name == "strangers" else [])]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("missing", ["nothing.tsv"]),
        ("empty", ["m.tsv", "empty"]),
        ("strangers", ["clinical.tsv"]),
        ("duplicated", ["TCGA-"]),
        ("text", ["n.d."]),
        ("all missing", ["no value"]),
        ("infinite", ["infinite"]),
        ("few", ["12", "20"]),
    ],
)
def test_bad_input_is_one_sentence(name, parts, cohort, tmp_path, monkeypatch, capsys) -> None:
    arguments = broken(name, cohort, tmp_path)
    code = call("run", *arguments, "--out", tmp_path / "out", "--quiet", monkeypatch=monkeypatch)
    message = capsys.readouterr().err.strip()
    assert code == 2
    assert message.startswith("error: ")
    assert "\n" not in message
    assert all(part in message for part in parts), message
    assert not list(tmp_path.glob("out*"))


def test_text_in_the_matrix_names_row_and_column(cohort, tmp_path, monkeypatch, capsys) -> None:
    arguments = broken("text", cohort, tmp_path)
    matrix = pd.read_csv(cohort / "expression.tsv.gz", sep="\t", index_col=0)
    call("run", *arguments, "--out", tmp_path / "out", "--quiet", monkeypatch=monkeypatch)
    message = capsys.readouterr().err
    assert matrix.index[3] in message
    assert matrix.columns[5] in message


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("model.latent_dims=5", "model.latent_dims; did you mean 'latent_dim'"),
        ("training.epoch=5", "training.epoch; did you mean 'epochs'"),
        ("split.train=2", "split.train"),
        ("modle.name=tybalt", "recipe.modle; did you mean 'model'"),
        ("model.name=tybald", "tybald"),
        ("normalize.scale=zero", "normalize.scale"),
        ("evaluation.seeds=-1", "evaluation.seeds"),
        ("evaluation.batch=plate", "no column 'plate'"),
        ("split.group=patient", "split.group: the sample table has no column 'patient'"),
    ],
)
def test_unknown_settings_are_named(setting, part, cohort, tmp_path, monkeypatch, capsys) -> None:
    out = tmp_path / "out"
    code = call("run", *files(cohort), "--out", out, "--set", setting, monkeypatch=monkeypatch)
    assert code == 2
    assert part in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


@pytest.mark.slow
def test_run_folders_are_neither_overwritten_nor_read_in_part(
    finished, cohort, tmp_path, monkeypatch, capsys
) -> None:
    assert call("run", *files(cohort), "--out", finished, monkeypatch=monkeypatch) == 2
    assert "--overwrite" in capsys.readouterr().err
    half = tmp_path / "half"
    half.mkdir()
    os.link(finished / "run.json", half / "run.json")
    matrix = cohort / "expression.tsv.gz"
    assert call("score", "--run", half, matrix, monkeypatch=monkeypatch) == 2
    assert "model.safetensors" in capsys.readouterr().err


@pytest.mark.slow
def test_samples_of_a_donor_stay_together_if_it_is_named(
    few, tmp_path, monkeypatch, capsys
) -> None:
    clinical = pd.read_csv(few / "clinical.tsv", sep="\t", index_col=0)
    clinical["donor"] = np.random.default_rng(0).integers(0, 50, len(clinical))
    clinical.to_csv(tmp_path / "clinical.tsv", sep="\t")
    plain = ["model.name=pca", "pictures.maps=[]", "evaluation.seeds=0", *LEAN[1::2]]
    options = ["--data", few / "expression.tsv.gz", "--obs", tmp_path / "clinical.tsv", *LUMINAL]
    options += [word for setting in plain for word in ("--set", setting)]
    said = 'add [split] group = "donor"'
    for name, more in (("alone", []), ("together", ["--group", "donor"])):
        out = tmp_path / name
        assert call("run", *options, *more, "--out", out, monkeypatch=monkeypatch) == 0
        assert (said in capsys.readouterr().err) == (name == "alone")
        findings = json.loads((out / "run.json").read_text())["findings"]
        assert any(said in line for line in findings) == (name == "alone")
        split = scores_of(out).query("tybalt_split != 'query'")["tybalt_split"]
        parts = split.groupby(clinical["donor"].reindex(split.index)).nunique()
        assert parts.max() == (1 if name == "together" else 4)


def test_a_first_look_has_scores_a_map_and_no_card(cohort, tmp_path, monkeypatch) -> None:
    out = tmp_path / "look"
    options = [*files(cohort), *LUMINAL, "--quick", "--quiet", "--out", out]
    assert call("run", *options, monkeypatch=monkeypatch) == 0
    about = json.loads((out / "run.json").read_text())
    assert about["model"]["name"] == "pca"
    assert about["evaluation"] is None
    maps = pd.read_csv(out / "embeddings.tsv.gz", sep="\t", index_col=0)
    assert {"latent_tsne_1", "genes_tsne_2"} <= set(maps)
    assert not maps.columns.str.contains("umap").any()
    assert not (out / "evaluation.tsv").exists()
    flagged = scores_of(out)["default_flagged"]
    assert flagged.any()
    assert (out / "report.html").is_file()


def test_recipes_of_other_kinds_have_no_quick_form(tmp_path, monkeypatch, capsys) -> None:
    options = ["sweep_brca", "--quick", "--out", tmp_path / "x"]
    assert call("run", *options, monkeypatch=monkeypatch) == 2
    assert "sweep has no quick form" in capsys.readouterr().err


@pytest.mark.slow
def test_r_reads_the_folder_with_nothing_but_r(finished) -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("there is no R here: install r-base-core")
    script = Path(cli.__file__).parents[2] / "packaging" / "r" / "read_run.R"
    done = subprocess.run(
        ["Rscript", script, finished], check=True, capture_output=True, text=True
    ).stdout
    tested = scores_of(finished).query("tybalt_split in ['test', 'query']")
    flagged = tested["default_flagged"].eq(True).sum()
    assert f"{flagged} of {len(tested)} tested samples are flagged" in done
    assert tested["default_p_value"].idxmin() in done
