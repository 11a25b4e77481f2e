"""The decomposed KL term against its definition, and against a case whose answer is known."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from tybalt_like.models import Model
from tybalt_like.models.beta_tc_vae import log_normal
from tybalt_like.training.seed import seeded

FEATURES, BATCH, BATCHES, N_TRAIN = 100, 50, 400, 1000
NARROW = 0.3
"""Standard deviation of the posteriors."""


def posteriors(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(n, 3, generator=generator, dtype=torch.float64) for _ in range(3))


def test_estimator_is_its_definition() -> None:
    mean, logvar, z = posteriors(40)
    model = Model.create("beta_tc_vae", 6, latent_dim=3, beta=5).double().train()
    parts = model.penalty(mean, logvar, z)  # the first batch is all that was seen
    covariance = torch.cov(mean.T, correction=0) + logvar.exp().mean(0).diag()
    joint = MultivariateNormal(mean.mean(0), covariance).log_prob(z)
    alone = Normal(mean.mean(0), covariance.diagonal().sqrt()).log_prob(z).sum(1)
    own = Normal(mean, (logvar / 2).exp()).log_prob(z).sum(1)
    prior = Normal(0, 1).log_prob(z).sum(1)
    near = {"rel": 1e-5, "abs": 1e-5}
    assert parts["mutual_information"].item() == pytest.approx((own - joint).mean().item(), **near)
    assert parts["total_correlation"].item() == pytest.approx((joint - alone).mean().item(), **near)
    assert parts["marginal_kl"].item() == pytest.approx((alone - prior).mean().item(), **near)
    whole = (own - joint) + 5 * (joint - alone) + (alone - prior)
    assert parts["penalty"].item() == pytest.approx(whole.mean().item(), **near)


def test_with_beta_1_it_is_the_plain_vae() -> None:
    mean, logvar, z = posteriors(600)
    posterior = Normal(mean, (logvar / 2).exp())
    sampled_kl = (posterior.log_prob(z) - Normal(0, 1).log_prob(z)).sum(1).mean()
    model = Model.create("beta_tc_vae", 6, latent_dim=3, beta=1).double().train()
    torch.testing.assert_close(model.penalty(mean, logvar, z)["penalty"], sampled_kl)


def draws(mixing_kk: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Posteriors whose aggregate is normal, and a draw from each."""
    mean_nk = torch.randn(n, FEATURES, dtype=torch.float64) @ mixing_kk
    logvar_nk = torch.full_like(mean_nk, 2 * math.log(NARROW))
    return mean_nk, logvar_nk, mean_nk + NARROW * torch.randn_like(mean_nk)


def by_mini_batch(mean: torch.Tensor, logvar: torch.Tensor, z: torch.Tensor) -> tuple[float, float]:
    """Information and total correlation by minibatch-weighted sampling (Chen et al. 2018)."""
    each_nnk = log_normal(z[:, None], mean, logvar)
    log_size = math.log(N_TRAIN * len(z))
    joint_n = each_nnk.sum(2).logsumexp(1) - log_size
    product_n = (each_nnk.logsumexp(1) - log_size).sum(1)
    own_n = log_normal(z, mean, logvar).sum(1)
    return float((own_n - joint_n).mean()), float((joint_n - product_n).mean())


@pytest.mark.parametrize("dependence", [0.0, 0.1, 0.3])
def test_a_known_total_correlation_is_found_where_a_mini_batch_saturates(dependence: float) -> None:
    with seeded(0):
        mixing_kk = torch.eye(FEATURES, dtype=torch.float64)
        mixing_kk += dependence * torch.randn_like(mixing_kk)
        covariance_kk = mixing_kk.T @ mixing_kk + NARROW**2 * torch.eye(FEATURES)
        truth = 0.5 * (covariance_kk.diagonal().log().sum() - covariance_kk.logdet()).item()
        model = Model.create("beta_tc_vae", 6, latent_dim=FEATURES).double().train()
        for _ in range(BATCHES):
            model.penalty(*draws(mixing_kk, BATCH))
        found = model.eval().penalty(*draws(mixing_kk, 2000))["total_correlation"].item()
        information, correlation = by_mini_batch(*draws(mixing_kk, BATCH))
    assert found == pytest.approx(truth, rel=0.1, abs=2)
    # Nothing is seen but that no two of a mini-batch's posteriors overlap.
    assert information == pytest.approx(math.log(N_TRAIN * BATCH), abs=0.05)
    assert correlation > truth + 400


def test_gradients_make_dependent_features_independent() -> None:
    with seeded(0):
        mean, _, z = posteriors(300)
        shared = mean[:, :1] + 0.5 * mean
        shift = torch.nn.Parameter(torch.eye(3, dtype=torch.float64))
        model = Model.create("beta_tc_vae", 6, latent_dim=3, beta=6).double().train()
        optimizer = torch.optim.Adam([shift], lr=0.02)
        before = None
        for _ in range(200):
            means = shared @ shift
            logvar = torch.full_like(means, -2.0)
            parts = model.penalty(means, logvar, means + 0.37 * z)
            optimizer.zero_grad()
            parts["penalty"].backward()
            optimizer.step()
            before = before or parts["total_correlation"].item()
        assert before > 0.5
        assert parts["total_correlation"].item() < 0.1 * before


def test_a_model_that_knows_the_number_of_samples_instead_of_moments_is_read() -> None:
    model, other = (Model.create("beta_tc_vae", 6, latent_dim=3) for _ in range(2))
    moments = {"mean_k", "covariance_kk", "n_batches"}
    state = {name: value for name, value in model.state_dict().items() if name not in moments}
    other.load_state_dict(state | {"n_train": torch.tensor(40.0)})
    x_ng = torch.rand(5, 6)
    torch.testing.assert_close(other.embed(x_ng), model.embed(x_ng))
