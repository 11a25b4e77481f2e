"""What the default model learned of real cohorts, named without being told."""

import anndata
import numpy as np
import pandas as pd
import pytest
from principal import Features

from tybalt_like import io, pp, tl
from tybalt_like.core import keys
from tybalt_like.genes.gene_sets import GeneSets
from tybalt_like.genes.human_genes import chromosome_sets
from tybalt_like.interpretation import (
    associations,
    enrichment,
    names,
    random_effects,
    tail_genes,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def learned(
    x_ng: np.ndarray, genes: list[str], obs: pd.DataFrame, *, k: int, seed: int
) -> Features:
    """Features of probabilistic PCA with rotation, of the 5,000 genes that vary most."""
    spread_g = np.abs(x_ng - x_ng.mean(0)).mean(0)
    top = np.sort(np.argsort(-spread_g)[:5000])
    x_ng = (x_ng[:, top] - x_ng[:, top].mean(0)) / x_ng[:, top].std(0)
    genes = [genes[g] for g in top]
    adata = anndata.AnnData(x_ng.astype(np.float32), obs=obs[[]], var=pd.DataFrame(index=genes))
    pp.split(adata)
    tl.fit(adata, latent_dim=k, seed=seed)
    z_nk = np.asarray(adata.obsm[keys.latent(keys.MODEL)], float)
    effects_kg = np.asarray(adata.varm[keys.weights(keys.MODEL)]).T * z_nk.std(0)[:, None]
    return Features(z_nk, effects_kg, genes, obs, [f"{i + 1}" for i in range(k)])


def named(found: Features, sets: GeneSets) -> tuple[pd.DataFrame, pd.DataFrame]:
    columns = associations(found.z_nk, found.obs, features=found.names)
    genes = tail_genes(found.effects_kg, features=found.names, genes=found.genes)
    enriched = enrichment(
        found.effects_kg,
        sets,
        features=found.names,
        random_rg=random_effects(found.effects_kg),
    )
    return names(genes, columns, enriched), columns


def test_breast_cancer_has_its_programmes(shared_data) -> None:
    adata = anndata.read_h5ad(shared_data / "tcga_brca" / "tcga_brca.h5ad")
    symbols = adata.var["symbol"].astype(str).tolist()
    found = learned(np.asarray(adata.X, float), symbols, adata.obs, k=50, seed=1)
    hallmark = io.read_gmt(shared_data / "genesets" / "msigdb_h.all.v7.5.1.symbols.gmt.gz")
    sets = GeneSets.within(found.genes, {**hallmark, **chromosome_sets()})
    table, _ = named(found, sets)
    said = table["name"] + " " + table["why"]
    for programme in (
        "G2M checkpoint|E2F targets",
        "estrogen response",
        "epithelial mesenchymal transition",
        "interferon",
        "pam50: Basal-like",
    ):
        assert said.str.contains(programme).any(), programme
    assert table["name"].str.contains("ERBB2|GRB7").any()


def test_geuvadis_has_a_feature_of_sex(shared_data) -> None:
    """Of 5,000 genes, eight of which are of the Y."""
    folder = shared_data / "geuvadis_counts"
    adata = io.read(folder / "counts.tsv.gz", obs=folder / "samples.csv")
    x_ng = np.asarray(adata.X, float)
    x_ng = np.log2(1 + x_ng / x_ng.sum(1, keepdims=True) * 1e6)
    found = learned(x_ng, list(adata.var_names), adata.obs, k=30, seed=1)
    table, columns = named(found, GeneSets.within(found.genes, chromosome_sets()))
    (sex,) = table.index[table["kind"] == "sex"]
    tested = columns.set_index(["feature", "column"]).loc[(sex, "sex")]
    assert tested["value"] > 0.95
