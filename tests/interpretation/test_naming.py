"""Names of features: of real cohorts, and rule by rule."""

import anndata
import numpy as np
import pandas as pd
import pytest
from principal import Features, components

from tybalt_like import io
from tybalt_like.genes.gene_sets import GeneSets
from tybalt_like.genes.human_genes import chromosome_sets
from tybalt_like.interpretation import (
    associations,
    enrichment,
    names,
    random_effects,
    set_title,
    tail_genes,
)
from tybalt_like.interpretation.enrichment import COLUMNS


def named(features: Features, sets: GeneSets | None, **more) -> pd.DataFrame:
    found = pd.DataFrame(columns=COLUMNS)
    if sets is not None:
        null_rg = random_effects(features.effects_kg)
        found = enrichment(features.effects_kg, sets, features=features.names, random_rg=null_rg)
    return names(
        tail_genes(features.effects_kg, features=features.names, genes=features.genes),
        associations(features.z_nk, features.obs, features=features.names),
        found,
        **more,
    )


def test_breast_cancer(brca, hallmark) -> None:
    found = named(brca, hallmark)
    assert list(found.index) == brca.names
    first = found.loc["pca_1"]
    assert first["kind"] == "column"
    assert first["name"].startswith("pam50")
    assert "estrogen response early: its genes move" in first["why"]
    assert first["why"].endswith("not checked over seeds")
    assert {"G2M checkpoint", "TNFA signaling via NFKB"} <= set(found["name"])
    assert (found["name"] == "").mean() > 0.5
    assert ((found["name"] == "") == (found["kind"] == "")).all()


def test_gains_and_losses_of_breast_cancers(brca) -> None:
    sets = GeneSets.within(brca.genes, chromosome_sets(), largest=1000)
    found = named(brca, sets)["name"]
    assert found.str.match(r"chromosome 8 \(\w+, \w+, \w+\)").any()


def test_sex_is_found_by_any_kind_of_gene_name(shared_data) -> None:
    """Ensembl ids; nobody tells the sex."""
    folder = shared_data / "geuvadis_counts"
    adata = io.read(folder / "counts.tsv.gz", obs=folder / "samples.csv")
    x_ng = np.asarray(adata.X, float)
    x_ng = np.log2(1 + x_ng / x_ng.sum(1, keepdims=True) * 1e6)
    features = components(x_ng, list(adata.var_names), adata.obs[[]], k=30)
    found = named(features, None)
    sex = found[found["kind"] == "sex"]
    assert len(sex)
    assert sex["name"].str.fullmatch(r"sex \([A-Z0-9]+, [A-Z0-9]+\)").all()
    assert not sex["name"].str.contains("ENSG").any()
    assert "of the 10 strongest genes are XIST or of the Y" in sex["why"].iloc[0]


def test_lineages_of_leukaemia(shared_data) -> None:
    adata = anndata.read_h5ad(shared_data / "all_leukaemia" / "all_leukaemia.h5ad")
    features = components(np.asarray(adata.X, float), list(adata.var_names), adata.obs, k=30)
    found = named(features, None)
    lineage = found[found["name"].str.startswith("lineage")]
    assert len(lineage)
    genes = tail_genes(features.effects_kg, features=features.names, genes=features.genes)
    ends = genes[genes["feature"] == lineage.index[0]]
    assert "38319_at" in set(ends["gene"])  # CD3D
    assert found["name"].str.startswith("t.4.11.").any()


def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Features that are sex, a batch, a set in a tail, a set that moves beside a few genes, a few
    genes, and nothing."""
    effects_kg = np.random.default_rng(0).normal(size=(6, 400))
    genes = [f"G{i}" for i in range(400)]
    genes[:3] = "DDX3Y", "UTY", "XIST"
    effects_kg[0, :3] = 8, 7, -6
    effects_kg[3, 10:13] = 30
    effects_kg[4, 20:23] = -30
    ends = tail_genes(effects_kg, features=range(6), genes=genes)
    with_batch = {
        "feature": [0, 1, 2],
        "column": "batch",
        "kind": "groups",
        "measure": "eta squared",
        "value": [0.1, 0.45, 0.1],
        "level": "5",
        "direction": ["high", "low", "high"],
        "auroc": [0.6, 0.95, 0.99],
        "unit": "sample",
        "n": 50,
        "p_value": [0.1, 1e-9, 0.04],
        "q_value": [0.2, 1e-7, 0.2],
    }
    sets = {
        "feature": [2, 2, 3],
        "tail": ["high", "low", "low"],
        "set": ["REACTOME_X_RESPONSE", "HALLMARK_E2F_TARGETS", "HALLMARK_HYPOXIA"],
        "n_genes": 40,
        "overlap": [3, 9, 0],
        "p_over": [0.01, 1e-8, 1.0],
        "p_tail": [0.2, 0.01, 1.0],
        "z": [5.0, 2.0, 4.0],
        "p_value": [1e-7, 0.02, 1e-7],
        "q_value": [1e-4, 0.2, 1e-4],
        "leading_edge": "",
    }
    return ends, pd.DataFrame(with_batch), pd.DataFrame(sets)


def test_rules_come_in_order() -> None:
    found = names(*tables())
    assert list(found["name"]) == [
        "sex (XIST, DDX3Y)", "batch 5", "E2F targets", "G10, G11, G12", "G20, G21, G22", "",
    ]  # fmt: skip
    assert list(found["kind"]) == ["sex", "column", "gene set", "genes", "genes", ""]
    assert "hypoxia: its genes move down, 4.0 times" in found.loc[3, "why"]
    assert "AUROC 0.95, low, q 1e-07, 50 samples" in found.loc[1, "why"]


def test_only_what_most_seeds_find_is_named() -> None:
    stability = pd.DataFrame({"found": [1.0, 0.5, np.nan]}, index=[0, 1, 2])
    found = names(*tables(), stability=stability)
    assert found.loc[0, "why"].endswith("found in 100% of other seeds")
    assert list(found.loc[1, ["name", "kind"]]) == ["", ""]
    assert found.loc[1, "why"].startswith("found in 50% of other seeds, so without a name. batch")
    assert found.loc[2, "why"].endswith("not checked over seeds")


def test_a_column_names_the_feature_that_goes_best_with_it() -> None:
    ends, columns, sets = tables()
    again = columns[columns["feature"] == 1].assign(feature=5, auroc=0.97)
    both = pd.concat([columns, again], ignore_index=True)
    assert list(names(ends, both, sets)["name"][[1, 5]]) == ["batch 5 (see 5)", "batch 5"]
    unsure = pd.DataFrame({"found": [1.0, 0.0]}, index=[1, 5])  # what is chance is not referred to
    assert list(names(ends, both, sets, stability=unsure)["name"][[1, 5]]) == ["batch 5", ""]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("HALLMARK_ESTROGEN_RESPONSE_EARLY", "estrogen response early"),
        ("HALLMARK_IL6_JAK_STAT3_SIGNALING", "IL6 JAK STAT3 signaling"),
        ("HALLMARK_KRAS_SIGNALING_DN", "KRAS signaling down"),
        ("GOBP_DNA_REPAIR", "DNA repair"),
        ("Mitotic Prophase R-HSA-68875", "Mitotic Prophase"),
        ("chromatin binding (GO:0003682)", "chromatin binding"),
        ("my_own set", "my own set"),
    ],
)
def test_titles_of_sets_are_read_easily(name: str, title: str) -> None:
    assert set_title(name) == title
