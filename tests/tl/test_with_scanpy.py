"""What this package writes into an AnnData is where scanpy looks, and the other way round."""

import warnings

import numpy as np
import pytest
from anndata import AnnData

import tybalt_like as ty


def test_scanpy_goes_on_where_this_package_ends() -> None:
    """Counts normalised by scanpy, encoded here, neighbours and pseudotime by scanpy again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about one another
        sc = pytest.importorskip("scanpy", reason="needs pip install 'tybalt-like[scanpy]'")
        rng = np.random.default_rng(0)
        is_odd = np.arange(120) % 2 == 1
        mean_ng = np.exp(rng.normal(3, 1, size=200) + 1.5 * is_odd[:, None] * (np.arange(200) < 40))
        adata = AnnData(rng.poisson(mean_ng).astype(np.float32))
        adata.layers["counts"] = adata.X.copy()
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
        ty.pp.split(adata)
        ty.tl.fit(adata, model="pca", progress=False)
        sc.pp.neighbors(adata, use_rep="X_pca", n_neighbors=10, method="gauss")
        sc.tl.diffmap(adata, n_comps=3)
        adata.obs["odd"] = np.where(is_odd, "True", "False")
        adata.obs["odd"] = adata.obs["odd"].astype("category")
        sc.tl.rank_genes_groups(adata, "odd", groups=["True"], method="wilcoxon")
    component = adata.obsm["X_diffmap"][:, 1]
    assert abs(np.corrcoef(component, is_odd)[0, 1]) > 0.9
    found = [int(name) for name in adata.uns["rank_genes_groups"]["names"]["True"][:30]]
    assert max(found) < 40
    assert "counts" in adata.layers
