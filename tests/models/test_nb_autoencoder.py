"""The autoencoder of counts and its dispersions."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import minimize_scalar

from tybalt_like.models import Batch, Model
from tybalt_like.models.networks.dispersion import DISPERSION, fit_dispersion
from tybalt_like.training.inference import infer
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded


def drawn(mean_ng: np.ndarray, theta_g: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.negative_binomial(theta_g, theta_g / (theta_g + mean_ng)).astype(float)


def test_dispersions_are_those_of_a_general_optimiser() -> None:
    rng = np.random.default_rng(1)
    theta_g = np.array([0.05, 0.4, 2.0, 9.0, 30.0, 120.0])
    mean_ng = rng.lognormal(4, 0.5, (80, 6))
    x_ng = drawn(mean_ng, theta_g)
    found_g = fit_dispersion(torch.from_numpy(x_ng), torch.from_numpy(mean_ng)).numpy()
    for g, found in enumerate(found_g):

        def nll(log: float, g: int = g) -> float:
            theta = np.exp(log)
            p_n = theta / (theta + mean_ng[:, g])
            return -float(stats.nbinom.logpmf(x_ng[:, g], theta, p_n).sum())

        best = minimize_scalar(nll, bounds=np.log(DISPERSION), method="bounded")
        assert found == pytest.approx(np.exp(best.x), rel=2e-3)


def test_dispersions_keep_within_their_range() -> None:
    mean_ng = np.full((50, 2), 40.0)
    x_ng = np.column_stack([np.full(50, 40.0), np.r_[np.zeros(49), 1e6]])
    found_g = fit_dispersion(torch.from_numpy(x_ng), torch.from_numpy(mean_ng)).numpy()
    np.testing.assert_allclose(found_g, DISPERSION[::-1], rtol=1e-3)


@pytest.fixture(scope="module")
def confounded() -> dict[str, np.ndarray]:
    """Two groups, a hidden factor, different library sizes, and the means behind the counts."""
    rng = np.random.default_rng(0)
    n, g = 60, 120
    group_n, factor_n = np.arange(n) % 2 - 0.5, rng.normal(size=n)
    log_ng = rng.normal(6, 1, g) + np.outer(group_n, rng.normal(0, 1, g))
    log_ng = log_ng + np.outer(factor_n, rng.normal(0, 0.6, g))
    size_n = rng.lognormal(0, 0.5, n)
    mean_ng = size_n[:, None] * np.exp(log_ng)
    return {
        "x_ng": drawn(mean_ng, np.full(g, 50.0)),
        "mean_ng": mean_ng,
        "size_n1": size_n[:, None],
        "c_nc": group_n[:, None],
    }


def fitted(rows: dict[str, np.ndarray], *, latent_dim: int, n_covariates: int) -> Model:
    named = ["x_ng", "size_n1"] + (["c_nc"] if n_covariates else [])
    with seeded(0):
        model = Model.create(
            "nb_autoencoder",
            rows["x_ng"].shape[1],
            latent_dim=latent_dim,
            n_covariates=n_covariates,
        )
        train(model, {name: torch.from_numpy(rows[name]).float() for name in named})
    return model


def error(model: Model, rows: dict[str, np.ndarray], *names: str) -> float:
    """Root mean square of the log ratio of what is expected to the true mean."""
    given = {name: rows[name] for name in ("size_n1", *names)}
    expected_ng = infer(model, rows["x_ng"], given=given, dtype=np.float64).reconstruction_ng
    return float(np.sqrt(np.mean(np.log(expected_ng / rows["mean_ng"]) ** 2)))


def test_hidden_factors_and_covariates_are_learned(confounded) -> None:
    both = error(fitted(confounded, latent_dim=1, n_covariates=1), confounded, "c_nc")
    assert both < 0.06  # 0.14 is the noise of a single count
    assert error(fitted(confounded, latent_dim=2, n_covariates=0), confounded) < 0.07
    assert error(fitted(confounded, latent_dim=1, n_covariates=0), confounded) > 3 * both


def test_a_missing_gene_is_taken_to_be_as_usual(confounded) -> None:
    model = fitted(confounded, latent_dim=1, n_covariates=1).double()
    given = {"size_n1": confounded["size_n1"], "c_nc": confounded["c_nc"]}
    tensors = {name: torch.from_numpy(a) for name, a in given.items()}
    x_ng = torch.from_numpy(confounded["x_ng"]).clone()
    whole_nk = model.infer(Batch(tensors | {"x_ng": x_ng}))[0]
    x_ng[:, 7] = np.nan
    z_nk, expected_ng = model.infer(Batch(tensors | {"x_ng": x_ng}))
    assert expected_ng.isfinite().all()
    assert (z_nk - whole_nk).abs().max() < 0.2 * whole_nk.abs().max()
