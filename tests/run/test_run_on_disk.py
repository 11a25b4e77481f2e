"""A cohort most of which stays on disk: all of it is scored, as if it came later."""

import json
import re
import warnings
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from tybalt_like import Recipe, Run, io
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.io import datasets
from tybalt_like.run.stages import analyse, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("module_without_figures", "one_thread"),
]
LUMINAL = ["Luminal A", "Luminal B"]
HELD = 260


@pytest.fixture(scope="module")
def tumours() -> AnnData:
    adata = datasets.load("tcga_brca")[:, :400].to_memory()
    return AnnData(adata.X, obs=adata.obs[["pam50"]], var=adata.var)


def recipe(path: Path, *, in_memory: int | None, **model: object) -> Recipe:
    data = {"path": str(path), "label": "pam50", "normal": LUMINAL, "anomalies": ["Basal-like"]}
    return Recipe.from_tables(
        {
            "data": data | ({"in_memory": in_memory} if in_memory else {}),
            "normalize": {"scale": "zscore"},
            "model": {"name": "pca", "latent_dim": 10} | model,
            "scores": {"folds": 3},
            "evaluation": {"seeds": 1, "baselines": []},
            "pictures": {"maps": ["tsne"]},
        }
    )


@pytest.fixture(scope="module")
def folder(tumours, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("on_disk")
    tumours.write_h5ad(place / "tumours.h5ad")
    run(recipe(place / "tumours.h5ad", in_memory=HELD), place / "run", device="cpu")
    return place / "run"


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / name, sep="\t", index_col="sample")


def test_all_samples_are_encoded_and_scored_as_new_ones(folder, tumours) -> None:
    scores, latent = table(folder, "all_scores.tsv.gz"), table(folder, "all_latent.tsv.gz")
    assert list(scores.index) == list(latent.index) == list(tumours.obs_names)
    about = json.loads((folder / "run.json").read_text())
    shown = table(folder, "scores.tsv")
    others = tumours[~tumours.obs_names.isin(set(shown.index) - set(about["shown_too"]))]
    assert len(others) == tumours.n_obs - HELD
    loaded = Run.load(folder)
    again = loaded.score(others.to_memory())
    for column in ("default_combined", "default_p_value", "pca_combined", "norm"):
        np.testing.assert_allclose(scores[column][again.index], again[column], rtol=2e-6)
    np.testing.assert_allclose(latent, loaded.latent(tumours), rtol=2e-6, atol=2e-5)
    # One false-discovery rate over all that were asked about.
    query_n = (scores["tybalt_split"] == "query").to_numpy()
    assert query_n.sum() == (~tumours.obs["pam50"].isin(LUMINAL)).sum()
    assert scores["default_q_value"].notna().equals(pd.Series(query_n, scores.index))
    assert about["flagged"]["tested"] == query_n.sum()
    assert about["flagged"]["flagged"] == scores["default_flagged"].astype(bool).sum()


def test_the_strangest_are_shown_wherever_they_are(folder) -> None:
    scores, shown = table(folder, "all_scores.tsv.gz"), table(folder, "scores.tsv")
    about = json.loads((folder / "run.json").read_text())
    flagged = scores.index[scores["default_flagged"].astype(bool)]
    assert 0 < len(about["shown_too"]) < len(flagged)
    assert set(flagged) <= set(shown.index)
    assert len(shown) == about["held"] + len(about["shown_too"]) == HELD + len(about["shown_too"])
    explained = pd.read_csv(folder / "gene_scores.tsv.gz", sep="\t")["sample"]
    assert set(explained) == set(flagged)
    maps = table(folder, "embeddings.tsv.gz")
    assert maps.notna().all(axis=None)
    assert list(maps.index) == list(shown.index) == list(io.read(folder / "adata.h5ad").obs_names)
    page = (folder / "report.html").read_text()
    assert f"{HELD} of {len(scores)} samples, drawn at random, are held in memory" in page
    # Known anomalies are told from all normals, not from the strangest of them.
    metrics = pd.read_csv(folder / "metrics.tsv", sep="\t")
    basal = metrics[metrics["anomaly"] == "Basal-like"]
    assert (basal["n_anomaly"] == 130).all()


def test_of_many_flagged_samples_the_strangest_are_shown(tumours, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tybalt_like.run.on_disk.SHOWN", 5)
    tumours.write_h5ad(tmp_path / "tumours.h5ad")
    out = tmp_path / "run"
    run(recipe(tmp_path / "tumours.h5ad", in_memory=HELD), out, device="cpu")
    scores, shown = table(out, "all_scores.tsv.gz"), table(out, "scores.tsv")
    about = json.loads((out / "run.json").read_text())
    flagged = scores.index[scores["default_flagged"].astype(bool)]
    held = shown.index.difference(about["shown_too"])
    assert about["flagged"]["flagged"] == len(flagged) > len(flagged.intersection(held)) + 5
    strangest = scores.loc[flagged.difference(held), "default_combined"].nlargest(5)
    assert set(about["shown_too"]) == set(strangest.index)
    explained = pd.read_csv(out / "gene_scores.tsv.gz", sep="\t")["sample"]
    assert set(explained) == set(flagged.intersection(shown.index))


def test_with_all_samples_held_nothing_changes(tumours, tmp_path) -> None:
    path = tmp_path / "tumours.h5ad"
    tumours[:300].write_h5ad(path)
    for name, in_memory in (("whole", None), ("on_disk", 300)):
        run(recipe(path, in_memory=in_memory), tmp_path / name, device="cpu")
    for file in ("scores.tsv", "latent.tsv.gz", "gene_scores.tsv.gz", "metrics.tsv"):
        whole, stored = (
            pd.read_csv(tmp_path / name / file, sep="\t") for name in ("whole", "on_disk")
        )
        pd.testing.assert_frame_equal(whole, stored, rtol=1e-4, atol=1e-5)


def test_an_interrupted_run_goes_on_with_what_was_normalised(
    tumours, tmp_path, monkeypatch
) -> None:
    path, out = tmp_path / "tumours.zarr", tmp_path / "run"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata's, on the formats of the future
        tumours.write_zarr(path)
    how = recipe(path, in_memory=HELD, name="ppca_vae", latent_dim=5)
    for broken, resume in (
        ("tybalt_like.tl.fit", False),
        ("tybalt_like.pp.Normaliser.write", True),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(broken, Mock(side_effect=KeyboardInterrupt))
            with nullcontext() if resume else pytest.raises(KeyboardInterrupt):
                run(how, out, device="cpu", resume=resume)
    assert len(table(out, "all_latent.tsv.gz")) == tumours.n_obs
    assert not list(out.glob("checkpoint*"))


def test_what_cannot_stay_on_disk_is_refused(tumours, tmp_path) -> None:
    path = tmp_path / "tumours.h5ad"
    with pytest.raises(RecipeError, match=r"data\.in_memory: data\.layer needs all of the matrix"):
        Recipe.from_tables({"data": {"path": str(path), "in_memory": 100, "layer": "counts"}})
    with pytest.raises(RecipeError, match=r"data\.in_memory needs data\.path"):
        Recipe.from_tables({"data": {"dataset": "tcga_brca", "in_memory": 100}})
    tumours.write_h5ad(path)
    with pytest.raises(RecipeError, match="only serves `tybalt-like run`"):
        analyse(recipe(path, in_memory=100))
    twice = tumours[:50].copy()
    twice.obs_names = ["a", "a", *twice.obs_names[2:]]
    twice.write_h5ad(path)
    with pytest.raises(DataError, match=re.escape("sample 'a' occurs twice")):
        run(recipe(path, in_memory=20), tmp_path / "run", device="cpu")
