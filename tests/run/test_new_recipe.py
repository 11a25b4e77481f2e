"""``recipe --new``: a commented recipe that fits a matrix, and that ``run`` takes as it is."""

import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tybalt_like import Recipe, cli, pp
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.toml import tables_of
from tybalt_like.run import cohort
from tybalt_like.run.new_recipe import new_recipe

pytestmark = pytest.mark.usefixtures("module_without_figures")
GENES = [f"GENE{i}" for i in range(60)]


def matrix(scale: str) -> pd.DataFrame:
    """Samples x genes on that scale."""
    rng = np.random.default_rng(0)
    log2_ng = rng.normal(7, 2, 60) + rng.normal(0, 1, (40, 60))
    values = {
        "counts": rng.poisson(2**log2_ng),
        "linear": 2**log2_ng,
        "raw_intensity": 2**log2_ng * 3 - 20,
        "log2": log2_ng.clip(0),
        "z_scored": (log2_ng - log2_ng.mean(0)) / log2_ng.std(0),
    }
    return pd.DataFrame(values[scale], index=[f"s{i}" for i in range(40)], columns=GENES)


@pytest.fixture
def samples() -> pd.DataFrame:
    table = pd.DataFrame(index=pd.Index([f"s{i}" for i in range(40)], name="sample"))
    table["state"] = ["tumour"] * 25 + ["Control"] * 15
    table["patient"] = [f"p{i // 2}" for i in range(40)]
    table["batch"] = [f"b{i % 4}" for i in range(40)]
    return table


@pytest.mark.parametrize("scale", ["counts", "linear", "raw_intensity", "log2", "z_scored"])
def test_what_is_written_out_is_what_is_done_by_itself(scale, tmp_path) -> None:
    """The normalisation in the recipe is that of a run without one, to the last digit."""
    matrix(scale).to_csv(tmp_path / "mine.csv")
    (tmp_path / "mine.toml").write_text(new_recipe(tmp_path / "mine.csv"))
    recipe = Recipe.from_toml(tmp_path / "mine.toml")
    usual = Recipe.from_tables({"data": {"path": str(tmp_path / "mine.csv")}})
    assert recipe.normalize != pp.Normalisation()
    assert (recipe.model, recipe.scores, recipe.split) == (usual.model, usual.scores, usual.split)
    assert recipe.evaluation == usual.evaluation
    found, known = cohort.prepared(recipe), cohort.prepared(usual)
    np.testing.assert_array_equal(found.X, known.X)
    assert list(found.var_names) == list(known.var_names)


def test_columns_that_could_serve_are_there_to_be_uncommented(tmp_path, samples) -> None:
    matrix("counts").T.to_csv(tmp_path / "mine.tsv", sep="\t")
    samples.to_csv(tmp_path / "clinical.tsv", sep="\t")
    text = new_recipe(tmp_path / "mine.tsv", obs=tmp_path / "clinical.tsv")
    taken = [
        *('# label = "state"', '# normal = ["Control"]', '# anomalies = ["tumour"]'),
        *('# group = "patient"', '# batch = "batch"'),
    ]
    for line in taken:
        assert text.count(f"\n{line}\n") == 1, text
        text = text.replace(line, line.removeprefix("# "))
    recipe = Recipe.from_tables(tomllib.loads(text))
    assert (recipe.data.label, recipe.data.normal) == ("state", ("Control",))
    assert (recipe.split.group, recipe.evaluation.batch) == ("patient", "batch")
    cohort.check(recipe, cohort.read(recipe.data))


def test_hostile_names_stay_in_their_comments(tmp_path, samples) -> None:
    samples["state"] = ['a"\nseed = 7\n#'] * 20 + ["b\u2028\x7fx = 1"] * 20
    samples.to_csv(tmp_path / "clinical.csv")
    matrix("log2").to_csv(tmp_path / 'my "own".csv')
    text = new_recipe(tmp_path / 'my "own".csv', obs=tmp_path / "clinical.csv")
    tables = tomllib.loads(text)
    assert (tables["seed"], tables["name"]) == (0, 'my "own"')
    assert set(tables["data"]) == {"path", "obs"}


def test_files_are_named_from_the_recipe(tmp_path, monkeypatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "recipes").mkdir()
    matrix("log2").to_csv(tmp_path / "data" / "mine.csv")
    monkeypatch.chdir(tmp_path)
    call("recipe", "--new", "data/mine.csv", "--out", "recipes/mine.toml", monkeypatch=monkeypatch)
    file = tmp_path / "recipes" / "mine.toml"
    assert 'path = "../data/mine.csv"' in file.read_text()
    assert Recipe.from_tables(tables_of(file)).inputs()[0].resolve() == (
        tmp_path / "data" / "mine.csv"
    )


@pytest.mark.usefixtures("one_thread")
def test_run_takes_it_as_it_is(tmp_path, monkeypatch, capsys) -> None:
    matrix("counts").to_csv(tmp_path / "mine.csv")
    monkeypatch.chdir(tmp_path)
    call("recipe", "--new", "mine.csv", "--out", "mine.toml", monkeypatch=monkeypatch)
    assert capsys.readouterr().out == "mine.toml\n"
    cheap = ["--quick", "--quiet", "--set", "pictures.maps=[]", "--set", "scores.folds=2"]
    call("run", "mine.toml", *cheap, "--out", "found", monkeypatch=monkeypatch)
    assert (tmp_path / "found" / "report.html").is_file()


@pytest.mark.parametrize("given", [["--explain", "--new", "x"], [], ["--explain", "nothing.here"]])
def test_what_makes_no_sense_is_one_sentence(given, monkeypatch, capsys) -> None:
    assert call("recipe", *given, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert not said.out


def test_a_key_is_explained(monkeypatch, capsys) -> None:
    assert call("recipe", "--explain", "scores.fdr", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert said == "scores.fdr: number; default 0.05\n    False-discovery rate of the flags.\n"


def test_standard_input_is_refused() -> None:
    with pytest.raises(RecipeError, match="standard input"):
        new_recipe(Path("-"))


def call(*arguments: object, monkeypatch) -> int:
    monkeypatch.setattr(sys, "argv", ["tybalt-like", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)
