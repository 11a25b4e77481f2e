"""Maps of many samples are those of few."""

import anndata
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score

from tybalt_like import tl
from tybalt_like.core import keys
from tybalt_like.tl import embed


@pytest.mark.slow
def test_umap_of_many_samples_keeps_neighbours_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 4,096 samples umap-learn goes by all distances itself."""
    rng = np.random.default_rng(0)
    centre_nk = rng.normal(size=(3, 30))[rng.integers(3, size=150)] * 4
    adata = anndata.AnnData((centre_nk + rng.normal(size=(150, 30))).astype(np.float32))
    kept = []
    for all_pairs in (embed.ALL_PAIRS, 100):
        monkeypatch.setattr(embed, "ALL_PAIRS", all_pairs)
        tl.umap(adata)
        kept.append(trustworthiness(adata.X, adata.obsm[keys.UMAP], n_neighbors=10))
    assert min(kept) > 0.8
    assert abs(kept[0] - kept[1]) < 0.03


def test_the_first_components_alone_are_those_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    x_ng = np.random.default_rng(0).normal(size=(150, 120)) * np.geomspace(9, 1, 120)
    whole_nk = embed.reduced(x_ng)
    monkeypatch.setattr(embed, "MANY", 100)
    np.testing.assert_allclose(embed.reduced(x_ng), whole_nk, atol=1e-8)


def test_components_of_some_samples_keep_the_distances_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    x_ng = (rng.normal(size=(190, 20)) @ rng.normal(size=(20, 120))).astype(np.float32)
    monkeypatch.setattr(embed, "MOST", 80)
    np.testing.assert_allclose(pdist(embed.reduced(x_ng)), pdist(x_ng), rtol=1e-4)


def test_samples_beyond_the_most_are_placed_among_their_like(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    kind_n = rng.integers(3, size=240)
    centre_nk = np.eye(3, 20)[kind_n] * 30
    adata = anndata.AnnData((centre_nk + rng.normal(size=(240, 20))).astype(np.float32))
    monkeypatch.setattr(embed, "MOST", 120)
    tl.tsne(adata)
    place_np = adata.obsm[keys.TSNE]
    assert np.isfinite(place_np).all()
    assert silhouette_score(place_np, kind_n) > 0.5
