"""A run that is carried out again: the same, nearly the same, other data, other results."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tybalt_like.core import marker
from tybalt_like.tl import encoders

pytestmark = pytest.mark.usefixtures("without_figures")
CHECKOUT = Path(__file__).resolve().parents[2]
QUICK = ("--label", "pam50", "--normal", "Luminal A", "--quick", "--quiet", "--threads", 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with a matrix of 120 samples x 150 genes, and their table."""
    import anndata

    folder = tmp_path_factory.mktemp("data")
    adata = anndata.read_h5ad(CHECKOUT / "data" / "tcga_brca" / "tcga_brca.h5ad")[:120, :150]
    pd.DataFrame(adata.X.T, adata.var_names, adata.obs_names).to_csv(folder / "m.tsv", sep="\t")
    adata.obs[["pam50"]].to_csv(folder / "o.tsv", sep="\t")
    return folder


@pytest.fixture
def made(data, tmp_path, command) -> Path:
    """A finished quick run, in another place than its data."""
    done = command(
        *("run", "--data", data / "m.tsv", "--obs", data / "o.tsv", *QUICK, "--out", tmp_path / "r")
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "r"


@pytest.mark.slow
def test_a_run_is_the_same_to_the_last_digit_or_names_the_first_that_is_not(made, data, command):
    done = command("verify", made, "--data", data, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"the same to the last digit: \d+ files", done.stdout)

    scores = pd.read_csv(made / "scores.tsv", sep="\t", dtype=str)
    was = scores.loc[7, "default_combined"]
    scores.loc[7, "default_combined"] = f"{float(was) * (1 + 1e-6):.7g}"
    scores.to_csv(made / "scores.tsv", sep="\t", index=False)
    done = command("verify", made, "--data", data / "m.tsv", "--data", data / "o.tsv", "--quiet")
    assert done.returncode == 1
    for told in ("scores.tsv", scores.loc[7, "sample"], "default_combined", was):
        assert told in done.stdout


def test_other_data_are_refused(made, data, tmp_path, command):
    done = command("verify", made, "--quiet", cwd=tmp_path)
    assert done.returncode == 2
    assert "m.tsv" in done.stderr
    assert "--data" in done.stderr
    other = tmp_path / "other"
    other.mkdir()
    (other / "o.tsv").write_bytes((data / "o.tsv").read_bytes())
    text = (data / "m.tsv").read_text()
    (other / "m.tsv").write_text(text[:-2] + ("1" if text[-2] != "1" else "2") + "\n")
    done = command("verify", made, "--data", other, "--quiet")
    assert done.returncode == 2
    assert "is not the file that the run was made from" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_two_threads_give_what_one_gives_within_bounds(data, tmp_path, command, monkeypatch):
    """Also where arrays are large enough to be shared among threads, as these are made to be."""
    monkeypatch.setattr(encoders, "SMALL", 0)
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f"""
        data = {{ path = "{data}/m.tsv", obs = "{data}/o.tsv", label = "pam50" }}
        model = {{ name = "tybalt", latent_dim = 5 }}
        training = {{ epochs = 20 }}
        evaluation = {{ seeds = 0 }}
        pictures = {{ maps = [] }}
        """
    )
    run = tmp_path / "run"
    assert command("run", recipe, "--out", run, "--threads", 1, "--quiet").returncode == 0
    done = command("verify", run, "--data", data, "--threads", 2, "--quiet")
    assert done.returncode == 0, done.stdout
    assert "threads: 1, now 2" in done.stdout
    assert "the same within bounds" in done.stdout

    about = json.loads((run / "run.json").read_text())  # as another version would have written it
    about["versions"]["torch"] = "0.1"
    (run / "run.json").write_text(json.dumps(about))
    marker.add_to_marker(run, ["run.json"])
    scores = pd.read_csv(run / "scores.tsv", sep="\t")
    scores.loc[3, "default_flagged"] = not scores.loc[3, "default_flagged"]
    scores.to_csv(run / "scores.tsv", sep="\t", index=False)
    done = command("verify", run, "--data", data, "--quiet")
    assert done.returncode == 1
    assert "torch 0.1, now" in done.stdout
    assert f"row {scores.loc[3, 'sample']}, column default_flagged" in done.stdout
