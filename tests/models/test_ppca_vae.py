"""PPCA-VAE: its linear part against closed forms, its branch where the truth is known."""

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from tybalt_like.io import datasets
from tybalt_like.models import Batch, Model
from tybalt_like.models.networks.rotation import varimax
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded


@pytest.fixture(scope="module")
def tumours() -> torch.Tensor:
    x_ng = datasets.load("tcga_brca")[:400, :120].to_memory().X
    return torch.from_numpy(np.asarray(x_ng, dtype=np.float64))


def solved(x_ng: torch.Tensor, name: str = "ppca_vae", **config) -> Model:
    model = Model.create(name, x_ng.shape[1], **config).double()
    rows = Batch({"x_ng": x_ng})
    model.solve(rows)
    model.eval()
    with torch.no_grad():
        model.settle(rows, None)
    return model


def joint_normal(model: Model) -> MultivariateNormal:
    """Distribution of profiles under the linear model."""
    sd_g = model.standardise.sd_g
    loadings_kg = model.loadings_kg * sd_g
    covariance_gg = loadings_kg.T @ loadings_kg + (model.noise_g * sd_g.square()).diag()
    return MultivariateNormal(model.standardise.mean_g, covariance_gg)


@torch.no_grad()
def test_without_branch_the_bound_is_the_likelihood(tumours) -> None:
    model, x_ng = solved(tumours[:300], latent_dim=20), tumours[300:]
    score = model.score(Batch({"x_ng": x_ng}))
    exact_n = -joint_normal(model).log_prob(x_ng)
    torch.testing.assert_close(score["importance_weighted"], exact_n, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_codes_are_factor_scores(tumours) -> None:
    model, x_ng = solved(tumours[:300], latent_dim=20), tumours[300:]
    noise_gg = (model.noise_g * model.standardise.sd_g.square()).diag()
    # Posterior means, by the textbook's conditional expectation of normal variables.
    loadings_kg = model.loadings_kg * model.standardise.sd_g
    gain_gk = joint_normal(model).precision_matrix @ loadings_kg.T
    apart_ng = x_ng - model.standardise.mean_g
    mean_nk, logvar_nk = model.encode(Batch({"x_ng": x_ng}))
    torch.testing.assert_close(mean_nk, apart_ng @ gain_gk)
    variance_kk = torch.eye(20).double() - loadings_kg @ gain_gk
    torch.testing.assert_close(logvar_nk.exp()[0].diag(), variance_kk)
    # The likeliest codes, by weighted least squares.
    root_gg = noise_gg.sqrt().inverse()
    found = torch.linalg.lstsq(root_gg @ model.weights().T, root_gg @ apart_ng.T).solution.T
    torch.testing.assert_close(model.embed(x_ng), found)


@torch.no_grad()
def test_it_reconstructs_as_pca_does_and_keeps_its_distances(tumours) -> None:
    x_ng = (tumours - tumours[:300].mean(0)) / tumours[:300].std(0)
    ours, pca = (solved(x_ng[:300], name, latent_dim=20) for name in ("ppca_vae", "pca"))
    held_ng = x_ng[300:]
    off = [(held_ng - m.decode(m.embed(held_ng))).square().sum(0) for m in (ours, pca)]
    r2_ours, r2_pca = (1 - (error_g / held_ng.square().sum(0)).median() for error_g in off)
    assert r2_ours > r2_pca - 0.005
    apart = [torch.pdist(m.embed(held_ng)) for m in (ours, pca)]
    assert torch.corrcoef(torch.stack(apart))[0, 1] > 0.98


@torch.no_grad()
def test_scales_of_genes_do_not_matter(tumours) -> None:
    scale_g = torch.linspace(0.1, 10, tumours.shape[1]).double()
    one, other = (solved(x_ng, latent_dim=10) for x_ng in (tumours, 3 + tumours * scale_g))
    torch.testing.assert_close(one.embed(tumours), other.embed(3 + tumours * scale_g))
    torch.testing.assert_close(one.weights() * scale_g, other.weights())


@torch.no_grad()
def test_axes_that_are_noise_are_left_out() -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    loadings_kg = normal(3, 200)
    x_ng = normal(60, 3) @ loadings_kg + normal(60, 200)
    varies = [(solved(x, latent_dim=20).embed(x).var(0) > 0).sum() for x in (x_ng, normal(60, 200))]
    assert varies == [3, 1]  # one stays in any case
    # Noise that the axes fit of the training rows is noise still.
    model = solved(x_ng, latent_dim=20, noise_shrinkage=0.0)
    noise_g = model.noise_g * model.standardise.sd_g.square()
    assert noise_g.mean() == pytest.approx(1, rel=0.15)
    pca = solved(x_ng, "pca", latent_dim=20)
    assert (x_ng - pca.decode(pca.embed(x_ng))).var() < 0.7


def test_varimax_finds_axes_that_rest_on_few_genes() -> None:
    generator = torch.Generator().manual_seed(1)
    sparse_gk = torch.zeros(60, 4, dtype=torch.float64)
    for k in range(4):
        sparse_gk[15 * k : 15 * (k + 1), k] = 1 + torch.rand(15, generator=generator).double()
    turn_kk, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))
    found_kk = turn_kk @ varimax(sparse_gk @ turn_kk)
    # A permutation with signs.
    torch.testing.assert_close(found_kk.abs().max(0).values, torch.ones(4).double())
    torch.testing.assert_close(found_kk @ found_kk.T, torch.eye(4).double())


def curved(n: int, *, bend: float, seed: int) -> torch.Tensor:
    """Three factors, seen through a network or straight, with noise."""
    fixed, rng = np.random.default_rng(9), np.random.default_rng(seed)
    straight_kg, inner_kh = fixed.normal(size=(3, 80)), 1.5 * fixed.normal(size=(3, 30))
    outer_hg, factors_nk = fixed.normal(size=(30, 80)) / 5, rng.normal(size=(n, 3))
    bent_ng = np.maximum(factors_nk @ inner_kh, 0) @ outer_hg
    x_ng = factors_nk @ straight_kg + bend * bent_ng + 0.5 * rng.normal(size=(n, 80))
    return torch.from_numpy(x_ng).float()


def trained(bend: float) -> Model:
    with seeded(0):
        model = Model.create("ppca_vae", 80, latent_dim=3)
        validation = {"x_ng": curved(60, bend=bend, seed=2)}
        train(model, {"x_ng": curved(500, bend=bend, seed=1)}, validation=validation)
    return model


@pytest.mark.slow
def test_the_branch_is_kept_where_held_out_profiles_are_likelier_with_it() -> None:
    model, new = trained(1.0), Batch({"x_ng": curved(500, bend=1.0, seed=3)})
    assert model.gate == 1
    with torch.no_grad():
        with_branch = model.score(new)
        model.gate.fill_(0.0)
        without = model.score(new)
    for score in ("reconstruction", "importance_weighted"):
        assert with_branch[score].mean() < without[score].mean()


@pytest.mark.slow
def test_the_branch_is_left_out_where_the_truth_is_linear() -> None:
    model, x_ng = trained(0.0), curved(50, bend=0.0, seed=3)
    assert model.gate == 0
    plain = solved(curved(500, bend=0.0, seed=1).double(), latent_dim=3).float()
    near = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(model.embed(x_ng), plain.embed(x_ng), **near)
    decoded = [one.decode(one.embed(x_ng)) for one in (model, plain)]
    torch.testing.assert_close(*decoded, **near)
    assert "left out" in repr(model)
