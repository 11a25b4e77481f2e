"""What a user reads in the terminal."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tybalt_like.core import folders, marker
from tybalt_like.io import datasets

pytestmark = pytest.mark.usefixtures("without_figures")
QUICK = ["--set", "model.latent_dim=4", "--set", "evaluation.baselines=[]", "--set"]
QUICK += ["pictures.maps=[]", "--set", "training.epochs=6", "--set", "evaluation.seeds=1"]
LUMINAL = ["--label", "pam50", "--normal", "Luminal A,Luminal B", "--anomaly", "Basal-like"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    folder, adata = tmp_path_factory.mktemp("data"), datasets.load("tcga_brca")[::3, :120]
    adata.to_df().T.to_csv(folder / "m.tsv", sep="\t")
    adata.obs[["pam50"]].to_csv(folder / "obs.tsv", sep="\t")
    return ["--data", folder / "m.tsv", "--obs", folder / "obs.tsv", *LUMINAL, *QUICK]


@pytest.mark.slow
def test_steps_then_what_the_page_begins_with(data, tmp_path, command) -> None:
    done = command("run", *data, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    steps = re.findall(r"^step (\d) of (\d): (.+)$", done.stderr, re.M)
    assert [(int(i), int(n)) for i, n, _ in steps] == [(i, 9) for i in range(1, 10)]
    assert steps[3][2] == "Detecting"
    scores = pd.read_csv(tmp_path / "run" / "scores.tsv", sep="\t", index_col="sample")
    genes = pd.read_csv(tmp_path / "run" / "gene_scores.tsv.gz", sep="\t")
    strangest = scores[scores["default_q_value"].notna()].nlargest(5, "default_combined").index
    lead, head, *rows = done.stdout.splitlines()
    page = (tmp_path / "run" / "report.html").read_text()
    assert f'<p class="lead">{lead}</p>' in page
    assert head.split()[:2] == ["strangest", "pam50"]
    for sample, row in zip(strangest, rows, strict=False):
        assert row.split()[0] == sample
        first = genes[(genes["sample"] == sample) & (genes["rank"] <= 3)]
        shown = [f"{g} {d:+.1f}" for g, d in zip(first["gene"], first["difference"], strict=True)]
        assert row.rstrip().endswith(", ".join(shown))
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    notes = [row.removeprefix("note: ") for row in rows if row.startswith("note: ")]
    assert notes == about["warnings"][:3]
    assert "AUROC: held-out" not in done.stdout
    assert rows[-1] == f"report: {tmp_path / 'run' / 'report.html'}"


@pytest.mark.slow
def test_quiet_is_silent_verbose_has_the_table_and_json_is_one_line(
    data, tmp_path, command, checked
) -> None:
    done = command("run", *data, "--out", tmp_path / "run", "--quiet", "--verbose")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "default detector: combined" in done.stdout
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    for sentence in [*about["summary"], *about["warnings"]]:
        assert sentence in done.stdout
    done = command("run", *data, "--out", tmp_path / "run", "--quiet", "--json", "--overwrite")
    assert done.stderr == ""
    assert checked("summary", done.stdout)["summary"] == about["summary"]
    checked("run", tmp_path / "run" / "run.json")
    checked("marker", tmp_path / "run" / marker.MARKER)


@pytest.mark.slow
def test_an_interrupted_run_says_that_it_goes_on(
    data, tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tybalt_like.run import analysis

    def fails(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(analysis, "detected", fails)
        done = command("run", *data, "--out", tmp_path / "run")
    assert done.returncode == 130
    assert "--resume" in done.stderr
    assert (tmp_path / "run.partial" / folders.CHECKPOINT).exists()
    done = command("run", *data, "--out", tmp_path / "run", "--resume")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^step 3 of 9: .+\n  goes on from what an inter.+ kept$", done.stderr, re.M)
