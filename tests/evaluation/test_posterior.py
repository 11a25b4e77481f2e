"""Latent features and alarms, on constructed cases."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from tybalt_like.anomaly import standardised_norm
from tybalt_like.evaluation import constant_reconstruction, latent_features, posterior_collapse


def posterior(active: int, k: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mean_nk, logvar_nk = 0.01 * rng.normal(size=(60, k)), np.zeros((60, k))
    mean_nk[:, :active] += rng.normal(size=(60, active))
    logvar_nk[:, :active] = -2
    return mean_nk, logvar_nk


def test_active_units_are_those_that_vary() -> None:
    table = latent_features(*posterior(active=7))
    assert table["active"].tolist() == [True] * 7 + [False] * 33
    assert (table["kl"][:7] > 0.5).all()
    assert (table["kl"][7:] < 0.001).all()
    assert "active" not in latent_features(posterior(active=7)[0])


def test_kl_is_that_of_torch() -> None:
    mean_nk, logvar_nk = posterior(active=3)
    ours = latent_features(mean_nk, logvar_nk)["kl"]
    q = Normal(torch.from_numpy(mean_nk), torch.from_numpy(np.exp(logvar_nk / 2)))
    prior = Normal(torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64))
    np.testing.assert_allclose(ours, kl_divergence(q, prior).mean(0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("active", "alarms"), [(0, 1), (2, 1), (3, 0), (40, 0)])
def test_posterior_collapse_is_told(active: int, alarms: int) -> None:
    said = posterior_collapse(latent_features(*posterior(active)))
    assert len(said) == alarms
    if alarms:
        assert f"{active} of 40" in said[0]
    assert posterior_collapse(latent_features(np.zeros((5, 3)))) == []


def test_constant_reconstruction_is_told() -> None:
    rng = np.random.default_rng(1)
    train_mg, x_ng = rng.normal(size=(2, 50, 30))
    norm_n = standardised_norm(x_ng, train_mg)
    constant_ng = np.broadcast_to(train_mg.mean(0), x_ng.shape)
    average, ranking = constant_reconstruction(
        x_ng, constant_ng, norm_n=np.square(x_ng - constant_ng).mean(1)
    )
    assert "the average only" in average
    assert "norm of the standardised row" in ranking
    good_ng = x_ng + 0.3 * rng.normal(size=x_ng.shape)
    assert constant_reconstruction(x_ng, good_ng, norm_n=norm_n) == []
    # Every profile shrunk alike varies, but its error is a multiple of the norm.
    said = constant_reconstruction(x_ng, 0.5 * x_ng, norm_n=np.linalg.norm(x_ng, axis=1))
    assert len(said) == 1
    assert "rank correlation 1.000" in said[0]
