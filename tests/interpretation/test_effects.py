"""Gene effects through the whole decoder, beside weights and beside derivatives of torch."""

import numpy as np
import pytest
import torch

from tybalt_like import pp, tl
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.interpretation import Axes, gene_effects
from tybalt_like.io import datasets
from tybalt_like.models import Training

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = Training(epochs=60, learning_rate=2e-3, patience=None)
SCALES = {"pca": "zscore", "ica": "zscore", "ppca_vae": "zscore", "nmf": "zero_one"}


def fitted(model: str, *, scale: str = "zero_one", n: int = 150, **config):
    adata = datasets.load("tcga_brca")[:n, :300].copy()
    pp.split(adata)
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    how = pp.Normalisation(n_genes=None, scale=scale)
    adata = pp.Normaliser.fit(adata, how, train=train_n).transform(adata)
    quick = {"training": Training(epochs=40)} if model == "tybalt" else {}
    return adata, tl.fit(adata, model=model, latent_dim=6, device="cpu", **quick, **config)


def sd_of(adata, name: str) -> np.ndarray:
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    return np.asarray(adata.obsm[keys.latent(name)], dtype=np.float64)[train_n].std(0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", sorted(SCALES))
def test_of_linear_models_they_are_the_weights(name: str) -> None:
    adata, model = fitted(name, scale=SCALES[name])
    if name == "ppca_vae":
        assert float(model.gate) == 0  # its branch is left out
    effects = tl.gene_effects(adata, model)
    expected_kg = model.weights().numpy() * sd_of(adata, name)[:, None]
    np.testing.assert_allclose(effects, expected_kg, rtol=1e-4, atol=1e-5)
    assert list(effects.index) == [f"{name}_{i + 1}" for i in range(6)]
    assert list(effects.columns) == list(adata.var_names)


@pytest.mark.parametrize("config", [{}, {"hidden_dim": 12}])
def test_of_others_they_are_the_mean_jacobian(config) -> None:
    """By `torch.func`, sample by sample."""
    adata, model = fitted("tybalt", **config)
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    z_nk = np.asarray(adata.obsm["X_tybalt"], dtype=np.float64)[train_n]
    exact = model.double()
    jacobian = torch.func.jacrev(lambda z_k: exact.decode(z_k[None])[0])
    mean_gk = torch.func.vmap(jacobian)(torch.from_numpy(z_nk)).mean(0).detach().numpy()
    expected_kg = mean_gk.T * z_nk.std(0)[:, None]

    def decode(z: np.ndarray) -> np.ndarray:
        return exact.decode(torch.from_numpy(z)).detach().numpy()

    size_k1 = np.linalg.norm(expected_kg, axis=1, keepdims=True)
    off_kg = (gene_effects(decode, z_nk, step=1e-4) - expected_kg) / size_k1
    assert np.abs(off_kg).max() < 1e-3 if config else np.abs(off_kg).max() < 1e-7
    # A step of a whole standard deviation tells the same, but for some percent.
    whole_kg = tl.gene_effects(adata, model.float(), n_rows=len(z_nk)).to_numpy()
    assert (np.linalg.norm(whole_kg - expected_kg, axis=1) < 0.2 * size_k1[:, 0]).all()
    # The product of the weights does not: a sigmoid is flat at its ends.
    weights_kg = model.weights().detach().numpy() * z_nk.std(0)[:, None]
    assert (np.linalg.norm(weights_kg - expected_kg, axis=1) > size_k1[:, 0]).all()


def test_a_hundred_rows_stand_for_all() -> None:
    adata, model = fitted("tybalt", n=400)
    all_kg = tl.gene_effects(adata, model, n_rows=400).to_numpy()
    few_kg = tl.gene_effects(adata, model, n_rows=100, seed=1).to_numpy()
    off_k = np.linalg.norm(few_kg - all_kg, axis=1) / np.linalg.norm(all_kg, axis=1)
    assert 0 < np.median(off_k) < 0.05
    assert np.array_equal(few_kg, tl.gene_effects(adata, model, n_rows=100, seed=1).to_numpy())


def test_directions_have_no_length_and_features_without_variation_no_effects() -> None:
    rng = np.random.default_rng(0)
    z_nk, weight_kg = rng.normal(size=(50, 4)) * [1, 2, 3, 0], rng.normal(size=(4, 9))
    directions_jk = rng.normal(size=(3, 4))

    def decode(z: np.ndarray) -> np.ndarray:
        return z @ weight_kg + 5

    once, thrice = (gene_effects(decode, z_nk, directions_jk=d * directions_jk) for d in (1, 3))
    np.testing.assert_allclose(once, thrice)
    unit_jk = directions_jk / np.linalg.norm(directions_jk, axis=1, keepdims=True)
    sd_j1 = (z_nk @ unit_jk.T).std(0)[:, None]
    np.testing.assert_allclose(once, sd_j1 * unit_jk @ weight_kg)
    own_kg = gene_effects(decode, z_nk)
    assert (own_kg[3] == 0).all()
    np.testing.assert_allclose(own_kg[:3], weight_kg[:3] * z_nk.std(0)[:3, None])
    axes = Axes.own(z_nk)
    assert (axes.scores(z_nk)[:, 3] == 0).all()


@pytest.mark.filterwarnings("ignore:.*samples have a batch that no training sample had")
def test_covariates_are_those_of_the_samples() -> None:
    adata = datasets.load("tcga_brca")[:120, :100].copy()
    pp.split(adata)
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    adata.obs["batch"] = np.where(np.arange(120) % 2, "a", "b")
    adata = pp.Normaliser.fit(adata, pp.Normalisation(n_genes=None), train=train_n).transform(adata)
    model = tl.fit(
        adata,
        model="conditional_tybalt",
        training=Training(epochs=10),
        covariates=("batch",),
        latent_dim=4,
        device="cpu",
    )
    other = adata.copy()
    other.obs["batch"] = "a"
    here, there = (tl.gene_effects(one, model).to_numpy() for one in (adata, other))
    assert not np.allclose(here, there, rtol=1e-3)
    del other.obsm["X_conditional_tybalt"]
    with pytest.raises(DataError, match=r"'conditional_tybalt' has not been applied; run tl\.fit"):
        tl.gene_effects(other, model)


def test_counts_change_on_the_log_scale_at_the_typical_depth() -> None:
    """Expression of ten genes, doubled along the first latent feature."""
    rng = np.random.default_rng(0)
    from anndata import AnnData

    mean_ng = np.full((80, 40), 200.0)
    up_n = np.arange(80) % 2 == 0
    mean_ng[np.ix_(up_n, np.arange(10))] *= 4
    depth_n1 = rng.uniform(0.5, 2, size=(80, 1))
    adata = AnnData(rng.poisson(mean_ng * depth_n1).astype(np.float32))
    pp.split(adata)
    model = tl.fit(adata, model="count_vae", training=QUICK, latent_dim=2, device="cpu")
    found = tl.direction(_labelled(adata, up_n), model, "up", high="True", how="mean")
    effects = tl.gene_effects(adata, model, axes=found.axes).to_numpy()[0]
    assert found.auroc.value > 0.99
    # Two groups of equal size, two standard deviations and log2(4) apart.
    assert effects[:10].mean() - effects[10:].mean() == pytest.approx(1, abs=0.3)


def _labelled(adata, up_n):
    adata.obs["up"] = up_n.astype(str)
    return adata
