"""Tybalt against the published architecture and independent formulas."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from tybalt_like.core.errors import RecipeError
from tybalt_like.models import Batch, Model
from tybalt_like.training.seed import seeded


def unit(n: int, g: int) -> torch.Tensor:
    return torch.rand(n, g, generator=torch.Generator().manual_seed(1))


def test_has_the_published_number_of_parameters() -> None:
    model = Model.create("tybalt", 5000, latent_dim=100)
    # Keras counts batch normalisation's running mean and variance as parameters.
    running = [b for name, b in model.named_buffers() if "running" in name]
    total = sum(t.numel() for t in [*model.parameters(), *running])
    assert total == 1_506_000


def test_initial_weights_are_glorot_uniform_for_each_head() -> None:
    with seeded(0):
        model = Model.create("tybalt", 1000, latent_dim=50)
    bound = (6 / (1000 + 50)) ** 0.5
    weight = model.encoder.weight.detach()
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert (model.norm.eps, model.norm.momentum) == (1e-3, 0.01)


def test_heads_are_rectified() -> None:
    model = Model.create("tybalt", 30, latent_dim=8)
    mean_nk, logvar_nk = model.encode(Batch({"x_ng": unit(64, 30)}))
    assert mean_nk.min() == 0
    assert logvar_nk.min() == 0
    assert mean_nk.max() > 0


def test_loss_is_bce_times_genes_plus_beta_times_kl() -> None:
    model = Model.create("tybalt", 40, latent_dim=5, mode="as_described", kappa=0.25).double()
    x_ng = unit(16, 40).double()
    with seeded(3):
        parts = model.loss(Batch({"x_ng": x_ng}, epoch=2))
    with seeded(3), torch.no_grad():
        mean_nk, logvar_nk = model.encode(Batch({"x_ng": x_ng}))
        z_nk = mean_nk + torch.randn_like(mean_nk) * (logvar_nk / 2).exp()
        bce = torch.nn.functional.binary_cross_entropy(model.decode(z_nk), x_ng)
        posterior = Normal(mean_nk, (logvar_nk / 2).exp())
        kl = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1).mean()
    # The batch statistics moved between the two passes, but a pass does not depend on them.
    assert parts["beta"].item() == 0.5
    assert parts["reconstruction"].item() == pytest.approx(40 * bce.item(), rel=1e-9)
    assert parts["kl"].item() == pytest.approx(kl.item(), rel=1e-9)
    assert parts["loss"].item() == pytest.approx(40 * bce.item() + 0.5 * kl.item(), rel=1e-9)


def gradient(mode: str, epoch: int | None) -> torch.Tensor:
    with seeded(0):
        model = Model.create("tybalt", 20, latent_dim=4, mode=mode, kappa=0.5)
        model.loss(Batch({"x_ng": unit(32, 20)}, epoch=epoch))["loss"].backward()
    return model.encoder.weight.grad


def test_kl_acts_as_described_and_never_as_run() -> None:
    torch.testing.assert_close(gradient("as_run", 0), gradient("as_run", 9), rtol=0, atol=0)
    torch.testing.assert_close(gradient("as_described", 0), gradient("as_run", 0), rtol=0, atol=0)
    assert (gradient("as_described", 1) - gradient("as_described", 0)).abs().max() > 1e-3
    torch.testing.assert_close(
        gradient("as_described", 2), gradient("as_described", None), rtol=0, atol=0
    )


def test_warmup_is_a_setting() -> None:
    assert Model.create("tybalt", 20, warmup="overshoot").beta(9) == 2
    assert Model.create("tybalt", 20, warmup="cyclical", kappa=0.5).beta(4) == 0


def test_saved_model_is_the_same_model(tmp_path) -> None:
    model = Model.create("tybalt", 25, latent_dim=3, mode="as_run").eval()
    model.save(tmp_path / "model.safetensors")
    again = Model.load(tmp_path / "model.safetensors")
    x_ng = unit(7, 25)
    np.testing.assert_array_equal(again.embed(x_ng).detach(), model.embed(x_ng).detach())
    assert again.config == model.config


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"latent_dims": 5}, r"model\.latent_dims; did you mean 'latent_dim'"),
        ({"latent_dim": "many"}, r"model\.latent_dim: .* 'many'"),
        ({"mode": "as_wished"}, r"model\.mode: "),
    ],
)
def test_wrong_settings_are_named(config, message) -> None:
    with pytest.raises(RecipeError, match=message):
        Model.create("tybalt", 10, **config)


@pytest.mark.parametrize(("hidden_dim", "published"), [(100, 1_036_600), (300, 3_097_800)])
def test_two_hidden_layers_have_the_published_number_of_parameters(hidden_dim, published) -> None:
    model = Model.create("tybalt", 5000, latent_dim=100, hidden_dim=hidden_dim)
    running = [b for name, b in model.named_buffers() if "running" in name]
    assert sum(t.numel() for t in [*model.parameters(), *running]) == published


def test_gene_weights_of_two_hidden_layers_are_the_product_of_the_decoders() -> None:
    model = Model.create("tybalt", 12, latent_dim=3, hidden_dim=5)
    inner, outer = model.get_parameter("after.0.weight"), model.decoder.weight
    np.testing.assert_allclose(
        model.weights().detach(), (outer @ inner).T.detach(), rtol=1e-4, atol=1e-6
    )
