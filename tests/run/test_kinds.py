"""`run` carries out recipes of every kind, and sample columns of any name come through it."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tybalt_like import Recipe, Run, cli
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.marker import MARKER
from tybalt_like.io import datasets
from tybalt_like.run.results import Results
from tybalt_like.run.stages import analyse, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread", "module_without_figures")]

COHORT = """
data = { dataset = "tcga_brca" }
normalize = { n_genes = 40 }
training = { epochs = 2, min_epochs = 0 }
"""
KINDS = {
    "sweep": COHORT + "model = { latent_dim = 3 }\nsweep.space.seed = [0, 1]\n",
    "compression": COHORT + "[compression]\nk = [2]\nseeds = 1\nmodels.pca = {}\n",
    "perturbation": """
simulation = { groups = 24, n_genes = 8, latent_dim = 2 }
perturbation = { group = "cell_line", folds = 2 }
model = { name = "pert_vae", latent_dim = 2, encoder_dims = [], decoder_dims = [] }
training = { epochs = 2, min_epochs = 0, min_batches = 1 }
""",
}
HOLDS = {
    "sweep": {"trials.tsv", "best.toml"},
    "compression": {"metrics.tsv", "jobs"},
    "perturbation": {"changes.tsv", "report.html"},
}


def call(monkeypatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["tybalt-like", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_run_executes_any_recipe(kind, tmp_path, monkeypatch, capsys, checked) -> None:
    (tmp_path / "mine.toml").write_text(KINDS[kind])
    monkeypatch.chdir(tmp_path)
    options = ["--device", "cpu", "--quiet", "--json"]
    assert call(monkeypatch, "run", "mine.toml", *options) == 0, capsys.readouterr().err
    (folder,) = tmp_path.glob("reports/*/mine")
    assert HOLDS[kind] <= {path.name for path in folder.iterdir()}
    said = capsys.readouterr().out
    assert str(folder.relative_to(tmp_path)) in said
    checked("summary", said)
    checked("marker", folder / MARKER)
    if kind == "perturbation":
        checked("run", folder / "run.json")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run whose sample table has columns that look like scores and latent features."""
    folder = tmp_path_factory.mktemp("names")
    adata = datasets.load("tcga_brca")[::3, :60]
    adata.to_df().T.to_csv(folder / "m.tsv", sep="\t")
    obs = adata.obs[["pam50"]].astype(str)
    obs["pca_group"] = ["a", "b"] * (len(obs) // 2) + ["a"] * (len(obs) % 2)
    obs["ppca_vae_x"], obs["ppca_vae_combined_by_hand"], obs["norm"] = "x", range(len(obs)), "n"
    obs.to_csv(folder / "c.tsv", sep="\t")
    tables = {
        "data": {
            "path": str(folder / "m.tsv"),
            "obs": str(folder / "c.tsv"),
            "label": "pam50",
            "normal": ["Luminal A"],
            "anomalies": ["Basal-like"],
        },
        "model": {"latent_dim": 4},
        "training": {"epochs": 3, "min_epochs": 0},
        "evaluation": {"seeds": 1, "baselines": ["pca"]},
        "pictures": {"maps": []},
    }
    run(Recipe.from_tables(tables), folder / "out", device="cpu")
    return folder / "out"


def test_clinical_columns_that_look_like_scores_stay_clinical(finished) -> None:
    latent = pd.read_csv(finished / "latent.tsv.gz", sep="\t", index_col=0)
    clinical = ["pca_group", "ppca_vae_x", "ppca_vae_combined_by_hand", "norm"]
    assert set(clinical) <= set(latent)
    about = json.loads((finished / "run.json").read_text())
    assert about["features"] == [f"ppca_vae_{i}" for i in (1, 2, 3, 4)]
    assert not {column for column, *_ in about["score_columns"]} & set(clinical[:3])
    metrics = pd.read_csv(finished / "metrics.tsv", sep="\t").fillna("")
    assert set(metrics["model"]) == {"default", "ppca_vae", ""}
    assert "by_hand" not in set(metrics["score"])


def test_a_run_says_what_it_is(finished) -> None:
    run = Run.load(finished)
    for thing, part in (
        (run, "model: PPCA-VAE"),
        (run.model, "features: 4"),
        (run.scorers["default"].detector, "calibration samples"),
        (run.normaliser, "genes: 60 of 60"),
    ):
        assert part in repr(thing)
        assert len(repr(thing)) < 300
        assert "<table>" in thing._repr_html_()


def test_a_model_that_decides_is_calibrated_with_all_normals_or_a_part(tmp_path) -> None:
    adata = datasets.load("tcga_brca")[:, :100]
    kept = adata.obs["pam50"].isin(["Luminal A", "Basal-like"]) & (np.arange(adata.n_obs) % 6 == 0)
    adata[kept].copy().write_h5ad(tmp_path / "few.h5ad")
    tables = {
        "data": {"path": str(tmp_path / "few.h5ad"), "label": "pam50", "normal": ["Luminal A"]},
        "model": {"name": "tybalt", "latent_dim": 4},
        "training": {"epochs": 8},
    }
    n = int((adata[kept].obs["pam50"] == "Luminal A").sum())

    def found(**scores) -> Results:
        how = {"detector": "model", "views": ["gene_residual", "kl"], **scores}
        return analyse(Recipe.from_tables(tables | {"scores": how}), device="cpu")

    whole, part = found(folds=3), found(folds=0)
    assert (whole.decides, whole.detector.calibration.m) == ("tybalt", n)
    assert part.detector.calibration.m < n / 3
    assert set(whole.scorers) == set(part.scorers) == {"default", "tybalt"}
    assert whole.call("q_value").notna().sum() == kept.sum() - n
    # Those that the model held out are tested too where it was trained once.
    assert part.call("q_value").notna().sum() > kept.sum() - n
    with pytest.raises(RecipeError, match="'kl' is not a score of the default detector"):
        found(detector="default")
