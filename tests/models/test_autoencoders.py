"""Autoencoders without a prior: linear, deep, and both forms of ADAGE."""

import numpy as np
import pytest
import torch

from tybalt_like.models import Batch, Model, Training
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded


def unit(n: int, g: int) -> torch.Tensor:
    return torch.rand(n, g, generator=torch.Generator().manual_seed(1))


def n_parameters(model: Model) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.slow
def test_linear_autoencoder_reaches_pca() -> None:
    rng = np.random.default_rng(0)
    scale_k = np.linspace(3, 1, 6)[:, None]
    x_ng = rng.normal(size=(300, 6)) @ (scale_k * rng.normal(size=(6, 40)))
    x_ng = torch.from_numpy(5 + x_ng + 0.5 * rng.normal(size=x_ng.shape)).float()
    with seeded(0):
        linear = Model.create("linear_autoencoder", 40, latent_dim=4)
        training = Training(epochs=150, batch_size=50, learning_rate=5e-3, patience=None)
        train(linear, {"x_ng": x_ng}, training=training)
    pca = Model.create("pca", 40, latent_dim=4)
    train(pca, {"x_ng": x_ng})

    def error(model: Model) -> float:
        return model.score(Batch({"x_ng": x_ng}))["reconstruction"].mean().item()

    assert error(pca) <= error(linear) < 1.01 * error(pca)


@pytest.mark.slow
def test_deep_autoencoder_bends_where_pca_is_straight() -> None:
    angle_n = torch.linspace(-2.5, 2.5, 200)
    x_ng = torch.stack([angle_n.cos(), angle_n.sin()], 1)
    with seeded(0):
        deep = Model.create("deep_autoencoder", 2, latent_dim=1, hidden_dims=[32, 16])
        training = Training(epochs=200, batch_size=50, learning_rate=5e-3, patience=None)
        train(deep, {"x_ng": x_ng}, training=training)
    pca = Model.create("pca", 2, latent_dim=1)
    train(pca, {"x_ng": x_ng})
    ours, theirs = (
        m.score(Batch({"x_ng": x_ng}))["reconstruction"].mean().item() for m in (deep, pca)
    )
    assert ours < 0.2 * theirs


def test_adage_has_the_published_number_of_parameters() -> None:
    assert n_parameters(Model.create("adage", 5000, latent_dim=100)) == 1_005_100
    assert n_parameters(Model.create("adage_tied", 5000, latent_dim=100)) == 500_100


def test_adage_drops_genes_in_training_only() -> None:
    model, batch = Model.create("adage", 30, latent_dim=5, noise=0.5), Batch({"x_ng": unit(9, 30)})
    model.train()
    assert model.loss(batch)["loss"] != model.loss(batch)["loss"]
    model.eval()
    decoded_ng = model.decode(model.embed(batch.x_ng))
    expected = np.square((batch.x_ng - decoded_ng).detach().numpy()).mean()
    assert model.loss(batch)["loss"].item() == pytest.approx(expected)


def test_adadelta_is_keras() -> None:
    (step,) = Model.create("adage", 4).steps()
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = step.optimizer([weight], 1.1)
    expected, squares, updates = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for gradient in (np.array([0.3, 1e-5]), np.array([-0.2, 2e-5])):
        weight.grad = torch.from_numpy(gradient).float()
        optimizer.step()
        squares = 0.95 * squares + 0.05 * gradient**2
        update = gradient * np.sqrt(updates + 1e-7) / np.sqrt(squares + 1e-7)
        expected -= 1.1 * update
        updates = 0.95 * updates + 0.05 * update**2
    np.testing.assert_allclose(weight.detach(), expected, rtol=1e-5)


def test_tied_adage_is_tied() -> None:
    model, x_ng = Model.create("adage_tied", 30, latent_dim=5), unit(9, 30)
    with torch.no_grad():
        model.encoder.bias.uniform_(-1, 1)
    # W as Keras has it, genes x features.
    weight, bias = model.encoder.weight.detach().numpy().T, model.encoder.bias.detach().numpy()
    hidden = np.maximum(x_ng.numpy() @ weight + bias, 0)
    decoded = 1 / (1 + np.exp(-(hidden - bias) @ weight.T))
    np.testing.assert_allclose(model.decode(model.embed(x_ng)).detach(), decoded, rtol=1e-4)
    np.testing.assert_array_equal(model.weights().detach(), weight.T)
