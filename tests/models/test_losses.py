"""Each loss against an independent implementation."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from tybalt_like.models.networks import losses
from tybalt_like.models.networks.schedules import warmup

rng = np.random.default_rng(0)
MEAN = rng.normal(size=(6, 4))
LOGVAR = rng.normal(size=(6, 4))
COUNTS = rng.poisson(3, size=(6, 4)).astype(float)
EXPECTED = rng.uniform(0.1, 9, size=(6, 4))
DISPERSION = np.array([0.05, 0.7, 5.0, 800.0])


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(a) for a in arrays]


def nbinom_logpmf() -> np.ndarray:
    return stats.nbinom.logpmf(COUNTS, DISPERSION, DISPERSION / (DISPERSION + EXPECTED))


def test_negative_binomial_is_scipys() -> None:
    ours = losses.negative_binomial_nll(*tensors(EXPECTED, DISPERSION, COUNTS))
    np.testing.assert_allclose(ours, -nbinom_logpmf(), rtol=1e-10)


def test_negative_binomial_holds_in_single_precision() -> None:
    ours = losses.negative_binomial_nll(*(t.float() for t in tensors(EXPECTED, DISPERSION, COUNTS)))
    np.testing.assert_allclose(ours, -nbinom_logpmf(), rtol=2e-3, atol=2e-3)


def test_zero_inflation_is_a_mixture_with_zero() -> None:
    nll, logits, counts = tensors(-nbinom_logpmf(), LOGVAR, COUNTS)
    pi = 1 / (1 + np.exp(-LOGVAR))
    mixture = pi * (COUNTS == 0) + (1 - pi) * np.exp(nbinom_logpmf())
    np.testing.assert_allclose(
        losses.zero_inflated_nll(nll, logits, counts), -np.log(mixture), rtol=1e-10
    )


def test_gaussian_is_torchs() -> None:
    mean, variance, x = torch.from_numpy(MEAN), torch.tensor(DISPERSION), torch.from_numpy(EXPECTED)
    theirs = -Normal(mean, variance.sqrt()).log_prob(x).sum(1)
    torch.testing.assert_close(losses.gaussian_nll(mean, variance, x), theirs)


@pytest.mark.parametrize("n_vars", [1, 63, 64, 200])
def test_bernoulli_is_torchs(n_vars: int) -> None:
    rng = np.random.default_rng(n_vars)
    logits, x = tensors(rng.normal(scale=3, size=(5, n_vars)), rng.uniform(size=(5, n_vars)))
    logits[0] = 0
    logits[1] = 700  # where the probability is exactly 0 or 1
    logits[2] = -700
    logits.requires_grad_()
    theirs = binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    weight = torch.arange(5.0)
    (expected,) = torch.autograd.grad(theirs @ weight.double(), logits)
    ours = losses.bernoulli_nll(logits, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    (gradient,) = torch.autograd.grad(ours @ weight.double(), logits)
    torch.testing.assert_close(gradient, expected)
    in_single = losses.bernoulli_nll(logits.float(), x.float())
    torch.testing.assert_close(in_single.double(), theirs, rtol=1e-5, atol=1e-4)


def test_kl_is_torchs() -> None:
    mean, logvar = tensors(MEAN, LOGVAR)
    theirs = kl_divergence(Normal(mean, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(losses.kl_standard_normal(mean, logvar), theirs)


def test_mmd_is_its_double_sum() -> None:
    a, b = MEAN, LOGVAR[:5] + 1

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        scales = [2 * len(x) * s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10)]
        return sum(c / (c + ((x - y) ** 2).sum()) for c in scales)

    def mean(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.mean([kernel(x, y) for x in one for y in other]))

    expected = mean(a, a) + mean(b, b) - 2 * mean(a, b)
    assert losses.mmd(*tensors(a, b)).item() == pytest.approx(expected)
    assert losses.mmd(*tensors(a, a)).item() == pytest.approx(0, abs=1e-12)


def test_posterior_values_have_the_right_mean_and_never_change() -> None:
    mean, logvar = tensors(MEAN, LOGVAR)

    def squares(z_nk: torch.Tensor) -> torch.Tensor:
        return z_nk.square().sum(1)

    ours = losses.posterior_values(squares, mean, logvar, draws=20_000).mean(0)
    torch.testing.assert_close(ours, (mean.square() + logvar.exp()).sum(1), rtol=0.03, atol=0)
    few = losses.posterior_values(lambda z_nk: z_nk.sum(1), mean, logvar, draws=2).mean(0)
    torch.testing.assert_close(few, mean.sum(1))
    again = losses.posterior_values(squares, mean[2:3], logvar[2:3]).mean(0)
    torch.testing.assert_close(again, losses.posterior_values(squares, mean, logvar).mean(0)[2:3])


@pytest.mark.parametrize(
    ("kind", "kappa", "weights", "final"),
    [
        ("linear", 1.0, [0, 1, 1, 1, 1, 1], 1),
        ("linear", 0.4, [0, 0.4, 0.8, 1, 1, 1], 1),
        ("overshoot", 1.0, [0, 1, 2, 2, 2, 2], 2),
        ("overshoot", 0.5, [0, 0.5, 1, 1.5, 1.5, 1.5], 1.5),
        ("cyclical", 0.5, [0, 0.5, 1, 1, 0, 0.5], 1),
    ],
)
def test_warmup(kind, kappa, weights, final) -> None:
    assert [warmup(kind, kappa, epoch) for epoch in range(6)] == pytest.approx(weights)
    assert warmup(kind, kappa, None) == final
