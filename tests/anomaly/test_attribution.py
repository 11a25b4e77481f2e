import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import kstest

from tybalt_like import pp, tl
from tybalt_like.anomaly import ResidualStatistics
from tybalt_like.core import keys
from tybalt_like.io import datasets


@pytest.fixture(scope="module")
def luminal() -> AnnData:
    """Luminal tumours, normalised and divided."""
    adata = datasets.load("tcga_brca")
    adata = adata[adata.obs["pam50"].isin(["Luminal A", "Luminal B"])].copy()
    pp.split(adata, seed=0)
    train = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
    return pp.Normaliser.fit(adata, pp.Normalisation(scale="zscore"), train=train).transform(adata)


def test_genes_planted_at_4_sd_are_in_the_top_20(luminal) -> None:
    adata = luminal.copy()
    rng = np.random.default_rng(0)
    samples = np.flatnonzero(adata.obs[keys.SPLIT] == keys.TEST)
    planted = {row: rng.choice(adata.n_vars, 3, replace=False) for row in samples}
    sign = {row: rng.choice([-1, 1], 3) for row in samples}
    for row, genes in planted.items():
        adata.X[row, genes] += 4 * sign[row]  # the scale is in SD of the training samples
    model = tl.fit(adata, model="pca", device="cpu", latent_dim=20)
    detector = tl.score(adata, model=model)
    names = [str(adata.obs_names[row]) for row in samples]
    table = tl.explain(adata, detector, model="pca", samples=names, n_top=20)
    found = {(row.sample, row.gene): row.direction for row in table.itertuples()}
    wanted = [
        ((str(adata.obs_names[row]), str(adata.var_names[gene])), "up" if s > 0 else "down")
        for row in samples
        for gene, s in zip(planted[row], sign[row], strict=True)
    ]
    assert np.mean([found.get(key) == direction for key, direction in wanted]) > 0.95
    assert table["share"].between(0, 1).all()
    assert (table["p_adjusted"] >= table["p_value"]).all()


@pytest.mark.parametrize("n", [4, 12, 100])
def test_p_values_of_new_residuals_are_uniform(n) -> None:
    rng = np.random.default_rng(0)
    sd_g = np.sqrt(1 / rng.gamma(4, 1, size=2000))
    errors = ResidualStatistics.fit(rng.normal(scale=sd_g, size=(n, 2000)))
    p = errors.p_values(errors.z(rng.normal(scale=sd_g, size=(20, 2000))))
    assert kstest(p.ravel(), "uniform").statistic < 0.02


def test_a_planted_gene_set_is_the_strangest(luminal) -> None:
    adata = luminal.copy()
    rng = np.random.default_rng(1)
    genes = np.array(adata.var_names)
    sets = {f"set {i}": rng.choice(genes, 25, replace=False).tolist() for i in range(40)}
    row = int(np.flatnonzero(adata.obs[keys.SPLIT] == keys.TEST)[0])
    adata.X[row, np.isin(genes, sets["set 7"])] -= 1.5
    tl.score(adata, model=tl.fit(adata, model="pca", device="cpu", latent_dim=20))
    name = str(adata.obs_names[row])
    table = tl.explain_gene_sets(adata, sets, model="pca", samples=[name], n_top=3)
    first = table.iloc[0]
    assert (first["set"], first["direction"]) == ("set 7", "down")
    assert first["p_adjusted"] < 0.05
    assert isinstance(table, pd.DataFrame)
    assert table["rank"].tolist() == [1, 2, 3]
