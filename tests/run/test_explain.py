"""A run says what its features mean, and ``explain`` says more of a finished one."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tybalt_like import Run
from tybalt_like.genes import human

pytestmark = pytest.mark.usefixtures("module_without_figures")
N = 240
SEX = ["XIST", "RPS4Y1", "DDX3Y", "KDM5D", "EIF1AY"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    """Sex, batch, a pathway that shortens life, and nine more things, each in genes of its own."""
    rng = np.random.default_rng(0)
    others = [s for s in human().names["symbol"] if s.startswith(("A", "B")) and s not in SEX]
    genes = SEX + others[:150]
    x = rng.normal(6, 1, len(genes)) + 0.5 * rng.normal(size=(N, len(genes)))
    male, batch, pathway = rng.integers(2, size=N), rng.integers(3, size=N), rng.normal(size=N)
    x[:, 0] -= 5 * male
    x[:, 1:5] += 5 * male[:, None]
    x[:, 5:35] += 1.5 * np.array([-1, 0, 1])[batch, None]
    x[:, 35:65] += 1.2 * pathway[:, None]
    x[:, 65:] += np.repeat(rng.normal(size=(N, 9)), 10, axis=1)
    life = rng.exponential(500 * np.exp(-pathway))
    treated = pathway + rng.normal(size=N) > 0
    folder = tmp_path_factory.mktemp("explained")
    names = [f"s{i}" for i in range(N)]
    pd.DataFrame(x, names, genes).T.to_csv(folder / "m.tsv", sep="\t")
    pd.DataFrame(
        {
            "arm": np.where(treated, "treated", "control"),
            "batch": np.array(["one", "two", "three"])[batch],
            "days": np.minimum(life, 900).round(1),
            "died": (life < 900).astype(int),
        },
        index=pd.Index(names, name="sample"),
    ).to_csv(folder / "s.tsv", sep="\t")
    sets = {"WOUND_RESPONSE": genes[35:65], "MIXED": genes[70:120:2]}
    lines = [f"{name}\tna\t" + "\t".join(members) for name, members in sets.items()]
    (folder / "sets.gmt").write_text("\n".join(lines) + "\n")
    return folder


LEAN = ["--set", "model.latent_dim=12", "--set", "evaluation.baselines=['pca']"]
LEAN += ["--set", "pictures.maps=[]", "--set", "training.epochs=20"]


@pytest.fixture
def finished(cohort, command) -> Path:
    """The run, once for all tests."""
    out = cohort / "run"
    if not out.exists():
        files = ["--data", cohort / "m.tsv", "--obs", cohort / "s.tsv"]
        done = command("run", *files, *LEAN, "--out", out, "--quiet")
        assert done.returncode == 0, done.stderr
    return out


def table(run: Path, name: str) -> pd.DataFrame:
    found = pd.read_csv(run / "explained" / name, sep="\t", index_col=0)
    return found.fillna({"name": ""})


@pytest.mark.slow
def test_a_run_names_its_features(finished) -> None:
    names = set(table(finished, "feature_cards.tsv")["name"])
    assert any(name.startswith("sex (XIST") for name in names)
    assert any(name.startswith("batch") for name in names)
    page = (finished / "report.html").read_text()
    assert "What did it learn?" in page
    assert "sex (XIST" in json.loads((finished / "run.json").read_text())["summary"][-1]


@pytest.mark.slow
def test_explain_adds_sets_contrasts_survival_and_synthetic_samples(
    finished, cohort, command
) -> None:
    asked = ["--gene-sets", cohort / "sets.gmt", "--contrast", "arm: treated - control"]
    asked += ["--direction", "batch: two"]
    asked += ["--time", "days", "--event", "died", "--synthetic", 60, "--seeds", 1]
    done = command("explain", finished, *asked, "--quiet")
    assert done.returncode == 0, done.stderr
    cards = table(finished, "feature_cards.tsv")
    wound = cards.index[cards["name"] == "wound response"]
    assert len(wound) == 1
    assert wound[0] in done.stdout
    assert "cross-validated" in cards.loc["batch: two", "why"]
    agreement = table(finished, "contrast_agreement.tsv.gz").set_index("rule")
    assert agreement.loc["ppca_vae", "correlation"] > 0.7  # 48 held-out samples are noisy
    assert table(finished, "contrast_features.tsv.gz")["feature"].iloc[0] == wound[0]
    hazards = table(finished, "survival_features.tsv")
    assert hazards["p_value"].idxmin() == wound[0]
    assert abs(np.log(hazards.loc[wound[0], "hazard_ratio"])) > 0.5
    assert {"ppca_vae"} <= set(table(finished, "synthetic_fidelity.tsv").index)
    page = (finished / "report.html").read_text()
    for heading in ("What differs between groups", "go with survival?", "Samples that nobody has"):
        assert heading in page
    assert command("report", finished).returncode == 0  # from the folder alone


@pytest.mark.slow
def test_what_cannot_be_asked_is_said_before_anything_is_trained(finished, command) -> None:
    before = (finished / "explained" / "about.json").read_bytes()
    for asked, said in (
        (["--contrast", "arm: treated - placebo"], "placebo"),
        (["--contrast", "arm"], "is no contrast; write 'COLUMN: A - B'"),
        (["--time", "days"], "go together"),
        (["--time", "weeks", "--event", "died"], "no column 'weeks'"),
        (["--gene-sets", "nowhere.gmt"], "nowhere.gmt"),
        (["--direction", "batch: four"], "labels in column 'batch'"),
    ):
        done = command("explain", finished, *asked, "--quiet")
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert (finished / "explained" / "about.json").read_bytes() == before
    (finished / "explained" / "mine.txt").write_text("a note")
    done = command("explain", finished, "--seeds", 0, "--quiet")
    (finished / "explained" / "mine.txt").unlink()
    assert done.returncode == 2
    assert "mine.txt is not of tybalt_like's making" in done.stderr
    assert command("explain", finished, "--seeds", 0, "--quiet").returncode == 0  # in its place
    assert not (finished / "explained" / "contrast_genes.tsv.gz").exists()
    assert Run.load(finished).about["kind"] == "run"
