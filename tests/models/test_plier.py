"""PLIER: features lean on gene sets, and say so only where genes that were hidden agree."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from anndata import AnnData
from sklearn.metrics import roc_auc_score

from tybalt_like import pp, read, tl
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.io import read_gmt
from tybalt_like.models import Batch, Model
from tybalt_like.models.plier import PLIER, PLIERConfig
from tybalt_like.run.recipe import Recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hallmark(shared_data) -> Path:
    return shared_data / "genesets" / "msigdb_h.all.v7.5.1.symbols.gmt.gz"


@pytest.fixture(scope="module")
def breast(shared_data) -> AnnData:
    adata = read(shared_data / "tcga_brca" / "tcga_brca.h5ad")
    pp.split(adata, train=0.6, calibration=0.0)
    train = (adata.obs["tybalt_split"] == "train").to_numpy()
    encoded = pp.Normaliser.fit(adata, pp.Normalisation(n_genes=2000), train=train)
    return encoded.transform(adata)


@pytest.fixture(scope="module")
def fitted(breast, hallmark) -> tuple[AnnData, Model]:
    adata = breast.copy()
    return adata, tl.fit(adata, model="plier", latent_dim=50, gene_sets=str(hallmark))


def test_features_of_breast_tumours_lean_on_what_is_known_of_them(fitted) -> None:
    adata, model = fitted
    said = model.sets_of_features
    cycle = model.config.sets.index("HALLMARK_G2M_CHECKPOINT")
    proliferation = int(model.tie_ks[:, cycle].argmax())
    assert "HALLMARK_G2M_CHECKPOINT" in said[proliferation]
    top = adata.var_names[model.weights()[proliferation].argsort(descending=True)[:40].numpy()]
    assert len({name.split("_")[0] for name in top} & {"TOP2A", "BIRC5", "KIF4A", "MYBL2"}) > 2
    oestrogen = next(i for i, sets in enumerate(said) if any("ESTROGEN" in s for s in sets))
    basal = adata.obs["pam50"].isin(["Luminal A", "Luminal B", "Basal-like"]).to_numpy()
    luminal = adata.obs["pam50"][basal].str.startswith("Luminal")
    assert roc_auc_score(luminal, adata.obsm["X_plier"][basal, oestrogen]) > 0.8
    assert any(not sets for sets in said), "some features are free"
    assert "on gene sets" in repr(model)


def test_it_reconstructs_nearly_as_pca(fitted) -> None:
    adata = fitted[0].copy()
    tl.fit(adata, model="pca", latent_dim=50)
    test = (adata.obs["tybalt_split"] == "test").to_numpy()
    x = np.asarray(adata.X)[test]
    left = {
        name: np.square(x - adata.layers[f"{name}_reconstruction"][test]).sum()
        for name in ("plier", "pca")
    }
    explained = {name: 1 - value / np.square(x).sum() for name, value in left.items()}
    assert explained["pca"] - 0.04 < explained["plier"] <= explained["pca"] + 0.005


def test_sets_of_random_genes_are_not_confirmed(fitted) -> None:
    adata, model = fitted
    train = (adata.obs["tybalt_split"] == "train").to_numpy()
    x_ng = torch.from_numpy(np.asarray(adata.X, dtype=np.float32)[train])
    confirmed = 0
    for seed in range(2):
        other = PLIER(adata.n_vars, model.config)
        order = np.random.default_rng(seed).permutation(adata.n_vars)
        other.member_sg.copy_(model.member_sg[:, torch.from_numpy(order)])
        other.solve(Batch({"x_ng": x_ng}))
        assert (other.tie_ks > 0).any()
        confirmed += sum(map(len, other.sets_of_features))
    assert not confirmed


def test_planted_sets_are_found_with_the_genes_that_they_lack() -> None:
    rng = np.random.default_rng(0)
    truth_kg = np.zeros((4, 200))
    for k, row in enumerate(truth_kg):
        row[40 * k : 40 * k + 40] = rng.uniform(0.5, 1.5, 40)
    x_ng = rng.normal(size=(150, 4)) @ truth_kg + 0.7 * rng.normal(size=(150, 200))
    model = PLIER(200, PLIERConfig(latent_dim=6, gene_sets="-", sets=("a", "b", "none")))
    for s, start in enumerate((0, 40)):
        model.member_sg[s, start : start + 25] = True  # and five that are not of it
        model.member_sg[s, 180 + 10 * s : 185 + 10 * s] = True
    model.member_sg[2, 160:180] = True  # noise
    model.solve(Batch({"x_ng": torch.from_numpy(x_ng).float()}))
    said = model.sets_of_features
    assert sorted(name for sets in said for name in sets) == ["a", "b"]
    for k, name in enumerate("ab"):
        weight_g = model.loadings_kg[said.index([name])].numpy()
        assert set(np.argsort(-weight_g)[:40]) == set(range(40 * k, 40 * k + 40))


def test_a_saved_model_needs_no_file_of_sets(breast, hallmark, tmp_path) -> None:
    shutil.copy(hallmark, tmp_path / "sets.gmt.gz")
    adata = breast.copy()
    model = tl.fit(adata, model="plier", latent_dim=8, gene_sets=str(tmp_path / "sets.gmt.gz"))
    model.save(tmp_path / "model.safetensors")
    (tmp_path / "sets.gmt.gz").unlink()
    again = Model.load(tmp_path / "model.safetensors")
    assert again.sets_of_features == model.sets_of_features
    before = adata.obsm["X_plier"].copy()
    tl.latent(adata, again)
    np.testing.assert_array_equal(adata.obsm["X_plier"], before)


def test_sets_are_found_by_any_name_of_a_gene(breast, hallmark, tmp_path) -> None:
    """Symbols of the file are ``TOP2A_7153`` in this matrix."""
    sets = read_gmt(hallmark)
    adata = breast.copy()
    model = tl.fit(adata, model="plier", latent_dim=3, gene_sets=str(hallmark))
    members = model.member_sg[model.config.sets.index("HALLMARK_G2M_CHECKPOINT")].numpy()
    found = [name.split("_")[0] for name in adata.var_names[members]]
    assert len(found) > 20
    assert len(set(found) & set(sets["HALLMARK_G2M_CHECKPOINT"])) > 0.9 * len(found)
    with pytest.raises(RecipeError, match="gene_sets is empty: name a GMT file"):
        tl.fit(adata, model="plier")
    (tmp_path / "mouse.gmt").write_text("a\t\tXkr4\tSox17\nb\t\tRp1\n")
    with pytest.raises(DataError, match="none of 2 gene sets has 5 to 500"):
        tl.fit(adata, model="plier", gene_sets=str(tmp_path / "mouse.gmt"))


def test_a_recipe_names_the_file_from_where_it_lies(tmp_path) -> None:
    recipe = 'data = { dataset = "tcga_brca" }\nmodel = { name = "plier", gene_sets = "my.gmt" }\n'
    (tmp_path / "mine.toml").write_text(recipe)
    read = Recipe.from_toml(tmp_path / "mine.toml")
    assert read.model.config.gene_sets == str(tmp_path / "my.gmt")
    assert tmp_path / "my.gmt" in read.inputs()
