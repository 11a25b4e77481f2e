"""Members of the VAE family: what sets each apart from the plain one."""

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal

from tybalt_like.models import Batch, Model, Training
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded


def factors(n: int, *, seed: int = 0) -> torch.Tensor:
    """Samples in [0, 1] whose 20 genes follow two factors."""
    rng = np.random.default_rng(seed)
    loadings_kg = np.random.default_rng(9).normal(size=(2, 20))
    x_ng = rng.normal(size=(n, 2)) @ loadings_kg + 0.3 * rng.normal(size=(n, 20))
    return torch.from_numpy(1 / (1 + np.exp(-x_ng))).float()


def trained(name: str, *, epochs: int = 40, **config) -> Model:
    with seeded(0):
        model = Model.create(name, 20, latent_dim=4, hidden_dims=[16], **config)
        training = Training(epochs=epochs, batch_size=32, learning_rate=3e-3, patience=None)
        model.history = train(model, {"x_ng": factors(256)}, training=training)
    return model


def posteriors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(7, 4, generator=generator) for _ in range(3))


@pytest.mark.slow
def test_beta_changes_what_is_learned() -> None:
    free, pressed = trained("beta_vae", beta=0.1), trained("beta_vae", beta=30)
    assert free.history.rows[-1]["train_kl"] > 3 * pressed.history.rows[-1]["train_kl"]
    x_ng = factors(50, seed=1)
    assert free.embed(x_ng).std() > 2 * pressed.embed(x_ng).std()
    free_score = free.score(Batch({"x_ng": x_ng}))["reconstruction"]
    assert (
        free_score < pressed.score(Batch({"x_ng": x_ng}))["reconstruction"]
    ).float().mean() > 0.8


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_likelihoods_are_torchs(likelihood: str) -> None:
    x_ng, (_, _, z_nk) = factors(7), posteriors()
    model = Model.create("beta_vae", 20, latent_dim=4, likelihood=likelihood)
    model.solve(Batch({"x_ng": factors(64)}))
    if likelihood == "gaussian":
        sd_g = (model.logvar_g.exp() + 1e-4).sqrt()
        theirs = -Normal(model.decode(z_nk), sd_g).log_prob(x_ng)
    else:
        certain = x_ng.round()
        theirs = -Bernoulli(model.decode(z_nk)).log_prob(certain)
        x_ng = certain
    torch.testing.assert_close(model.nll(Batch({"x_ng": x_ng}), z_nk), theirs.sum(1))


def test_gene_variances_are_learned() -> None:
    noise_g = torch.linspace(0.02, 0.5, 20)
    with seeded(1):
        x_ng = 3 + noise_g * torch.randn(512, 20)
        model = Model.create("beta_vae", 20, latent_dim=2)
        training = Training(epochs=30, learning_rate=3e-3, patience=None)
        train(model, {"x_ng": x_ng}, training=training)
    torch.testing.assert_close(model.logvar_g.exp().sqrt(), noise_g, rtol=0.2, atol=0.01)


def test_negative_elbo_is_the_importance_free_bound() -> None:
    model, batch = trained("beta_vae"), Batch({"x_ng": factors(8, seed=2)})
    mean_nk, logvar_nk = model.encode(batch)
    posterior = Normal(mean_nk, (logvar_nk / 2).exp())
    with seeded(0), torch.no_grad():
        z_snk = posterior.sample((4000,))
        kl_sn = (posterior.log_prob(z_snk) - Normal(0, 1).log_prob(z_snk)).sum(2)
        nll_sn = torch.stack([model.nll(batch, z_nk) for z_nk in z_snk])
    expected_n = (nll_sn + kl_sn).mean(0)
    ours_n = model.score(batch)["negative_elbo"]
    torch.testing.assert_close(ours_n.detach(), expected_n, rtol=0, atol=1.5)


def test_info_vae_contains_the_plain_vae() -> None:
    mean, logvar, z = posteriors()
    info = Model.create("mmd_vae", 20, latent_dim=4, alpha=0, lambda_mmd=1)
    plain = Model.create("beta_vae", 20, latent_dim=4)
    torch.testing.assert_close(
        info.penalty(mean, logvar, z)["penalty"], plain.penalty(mean, logvar, z)["penalty"]
    )


@pytest.mark.slow
def test_mmd_brings_the_codes_to_the_prior_without_emptying_them() -> None:
    loose, held = trained("mmd_vae", lambda_mmd=0), trained("mmd_vae", lambda_mmd=100)
    assert held.history.rows[-1]["train_mmd"] < 0.3 * loose.history.rows[-1]["train_mmd"]
    plain = trained("beta_vae", beta=5)
    assert held.history.rows[-1]["train_kl"] > 1.5 * plain.history.rows[-1]["train_kl"]


@pytest.mark.parametrize("version", ["I", "II"])
def test_dip_is_the_distance_from_the_identity(version: str) -> None:
    mean, logvar, z = posteriors()
    model = Model.create("dip_vae", 20, latent_dim=4, version=version, lambda_off=2)
    covariance = np.cov(mean.numpy().T, bias=True)
    if version == "II":
        covariance += np.diag(logvar.exp().numpy().mean(0))
    diagonal = np.diag(covariance)
    off = covariance - np.diag(diagonal)
    expected = 2 * (off**2).sum() + model.config.lambda_diagonal * ((diagonal - 1) ** 2).sum()
    assert model.penalty(mean, logvar, z)["dip"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_dip_makes_features_uncorrelated() -> None:
    def correlation(model: Model) -> float:
        r_kk = np.corrcoef(model.embed(factors(200, seed=1)).detach().numpy().T)
        return float(np.abs(r_kk[np.triu_indices(4, 1)]).max())

    weak = trained("dip_vae", version="I", lambda_off=0, lambda_diagonal=0, beta=0.01)
    strong = trained("dip_vae", version="I", lambda_off=100, lambda_diagonal=100, beta=0.01)
    assert correlation(strong) < 0.5 * correlation(weak)


@pytest.mark.parametrize("hidden_dims", [[], [16, 8]])
def test_gene_weights_are_the_slope_of_the_decoder(hidden_dims: list[int]) -> None:
    with seeded(0):
        model = Model.create("beta_vae", 20, latent_dim=4, hidden_dims=hidden_dims)
        train(model, {"x_ng": factors(64)}, training=Training(epochs=2))
    for i, layer in enumerate(model.decoder):
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.bias.data.fill_(100.0**i)  # no rectifier bends
    slope_gk = torch.autograd.functional.jacobian(
        lambda z_k: model.decode(z_k[None])[0], torch.zeros(4)
    )
    torch.testing.assert_close(model.weights(), slope_gk.T, rtol=1e-3, atol=1e-4)
