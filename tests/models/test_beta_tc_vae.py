"""The decomposed KL term against its definition, with nothing vectorised."""

import math

import pytest
import torch
from torch.distributions import Normal

from tybalt_like.models import Batch, Model

N_TRAIN = 40


def model(**config) -> Model:
    made = Model.create("beta_tc_vae", 6, latent_dim=3, **config).double()
    made.solve(Batch({"x_ng": torch.rand(N_TRAIN, 6, dtype=torch.float64)}))
    return made


def posteriors(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(n, 3, generator=generator, dtype=torch.float64) for _ in range(3))


def test_estimator_is_its_definition() -> None:
    mean, logvar, z = posteriors(4)

    def density(i: int, j: int, k: int) -> float:
        """q(z_ik | x_j)."""
        return Normal(mean[j, k], (logvar[j, k] / 2).exp()).log_prob(z[i, k]).exp().item()

    information = correlation = marginal = 0.0
    for i in range(4):
        joint = sum(math.prod(density(i, j, k) for k in range(3)) for j in range(4))
        joint /= N_TRAIN * 4
        alone = [sum(density(i, j, k) for j in range(4)) / (N_TRAIN * 4) for k in range(3)]
        own = math.prod(density(i, i, k) for k in range(3))
        prior = math.prod(Normal(0, 1).log_prob(z[i, k]).exp().item() for k in range(3))
        information += math.log(own / joint) / 4
        correlation += math.log(joint / math.prod(alone)) / 4
        marginal += math.log(math.prod(alone) / prior) / 4
    parts = model(beta=5).penalty(mean, logvar, z)
    assert parts["mutual_information"].item() == pytest.approx(information)
    assert parts["total_correlation"].item() == pytest.approx(correlation)
    assert parts["marginal_kl"].item() == pytest.approx(marginal)
    assert parts["penalty"].item() == pytest.approx(information + 5 * correlation + marginal)


def test_with_beta_1_it_is_the_plain_vae() -> None:
    # 600 rows are compared in three groups.
    mean, logvar, z = posteriors(600)
    posterior = Normal(mean, (logvar / 2).exp())
    sampled_kl = (posterior.log_prob(z) - Normal(0, 1).log_prob(z)).sum(1).mean()
    torch.testing.assert_close(model(beta=1).penalty(mean, logvar, z)["penalty"], sampled_kl)


def test_many_rows_cost_what_their_groups_cost() -> None:
    mean, logvar, z = posteriors(512)
    made = model()
    halves = [made.penalty(mean[i], logvar[i], z[i]) for i in (slice(256), slice(256, None))]
    expected = (halves[0]["total_correlation"] + halves[1]["total_correlation"]) / 2
    torch.testing.assert_close(made.penalty(mean, logvar, z)["total_correlation"], expected)


def test_dependent_features_cost_more_than_independent_ones() -> None:
    mean, _, z = posteriors(300)
    narrow = torch.full_like(mean, -4.0)
    same = mean[:, :1].expand(-1, 3)
    noise = 0.1 * z
    apart = model().penalty(mean, narrow, mean + noise)["total_correlation"]
    together = model().penalty(same, narrow, same + noise)["total_correlation"]
    assert together > apart + 1
