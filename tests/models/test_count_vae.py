"""The count VAE: library sizes, dispersions, and the path from counts to a fitted model."""

import numpy as np
import pytest
import torch
from anndata import AnnData
from scipy import stats

from tybalt_like import tl
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.models import Batch, Model, Training
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

N_VARS = 30


def counts(n: int, *, seed: int = 0, dispersion: float = 5.0) -> torch.Tensor:
    """One factor, libraries of 300 to 30,000 counts."""
    rng = np.random.default_rng(seed)
    base_g, loading_g = np.random.default_rng(9).normal(size=(2, N_VARS))
    share_ng = np.exp(base_g + rng.normal(size=(n, 1)) * loading_g)
    share_ng /= share_ng.sum(1, keepdims=True)
    mean_ng = np.exp(rng.uniform(np.log(300), np.log(30_000), size=(n, 1))) * share_ng
    x_ng = rng.negative_binomial(dispersion, dispersion / (dispersion + mean_ng))
    return torch.from_numpy(x_ng).float()


def trained(x_ng: torch.Tensor, *, epochs: int = 60, **config) -> Model:
    with seeded(0):
        model = Model.create("count_vae", N_VARS, latent_dim=2, hidden_dims=[16], **config)
        training = Training(epochs=epochs, batch_size=50, learning_rate=5e-3, patience=None)
        model.history = train(model, {"x_ng": x_ng}, training=training)
    return model


@pytest.mark.parametrize("zero_inflation", [False, True])
def test_loss_is_scipys_likelihood(zero_inflation: bool) -> None:
    x_ng = counts(6).double()
    config = {"latent_dim": 2, "zero_inflation": zero_inflation}
    model = Model.create("count_vae", N_VARS, **config).double()
    model.solve(Batch({"x_ng": counts(80).double()}))
    z_nk = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        share_ng = model.decoder(z_nk).softmax(1).numpy()
        theta_g = model.dispersion().numpy()
        mean_ng = x_ng.numpy().sum(1, keepdims=True) * share_ng
        likelihood = stats.nbinom.pmf(x_ng, theta_g, theta_g / (theta_g + mean_ng))
        if zero_inflation:
            pi = torch.sigmoid(model.zeros(z_nk)).numpy()
            likelihood = pi * (x_ng.numpy() == 0) + (1 - pi) * likelihood
        ours_n = model.nll(Batch({"x_ng": x_ng}), z_nk)
    np.testing.assert_allclose(ours_n, -np.log(likelihood).sum(1), rtol=1e-6)


@pytest.mark.slow
def test_codes_do_not_know_the_library_size() -> None:
    model = trained(counts(400))
    x_ng = counts(40, seed=1, dispersion=1e6)
    deeper = Batch({"x_ng": 10 * x_ng})
    z_nk, expected_ng = model.infer(Batch({"x_ng": x_ng}))
    deeper_z_nk, deeper_ng = model.infer(deeper)
    torch.testing.assert_close(deeper_z_nk, z_nk, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(deeper_ng, 10 * expected_ng, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(expected_ng.sum(1), x_ng.sum(1))
    typical = model.decode(z_nk).sum(1)
    torch.testing.assert_close(typical, model.library.expand(40))


def test_finds_the_factor_and_the_dispersion() -> None:
    x_ng = counts(500)
    model = trained(x_ng)
    typical_g = model.dispersion().detach().median().item()
    assert 3 < typical_g < 8
    rng = np.random.default_rng(0)
    factor_n = rng.normal(size=(500, 1))[:, 0]
    z_nk = model.embed(x_ng).detach().numpy()
    assert max(abs(np.corrcoef(factor_n, z_nk.T)[0, 1:])) > 0.95


def adata(x_ng: np.ndarray) -> AnnData:
    data = AnnData(x_ng)
    data.obs[keys.SPLIT] = [keys.TRAIN] * (len(x_ng) - 5) + [keys.VALIDATION] * 5
    return data


def test_reconstructs_counts_at_each_samples_library_size() -> None:
    data = adata(counts(60).numpy())
    training = Training(epochs=2, min_epochs=0)
    tl.fit(data, model="count_vae", training=training, latent_dim=2)
    totals = data.layers[keys.reconstruction("count_vae")].sum(1)
    np.testing.assert_allclose(totals, data.X.sum(1), rtol=1e-5)


def test_asks_for_counts() -> None:
    with pytest.raises(DataError, match=r"needs whole counts; .*log='no'"):
        tl.fit(adata(np.log2(1 + counts(20).numpy())), model="count_vae")
