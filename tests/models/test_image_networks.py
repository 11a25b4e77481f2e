"""Autoencoders of images: the same promises as those of profiles, with convolutions inside."""

import pytest
import torch

from tybalt_like.core.errors import RecipeError
from tybalt_like.models import Batch, Model, Training
from tybalt_like.models.networks.image_networks import pyramid
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

SHAPE, N_VARS = (1, 8, 8), 64
NETWORKS = {"image_shape": SHAPE, "channels": 4, "latent_dim": 3, "hidden_dims": (6,)}
KINDS = {
    "beta_vae": {"likelihood": "bernoulli"},
    "mmd_vae": {},
    "deep_autoencoder": {},
    "denoising": {"noise": 0.3},
}
every_kind = pytest.mark.parametrize("kind", list(KINDS))


def strokes(n: int = 60) -> torch.Tensor:
    """Images of one bright row or column each."""
    generator = torch.Generator().manual_seed(0)
    images = torch.zeros(n, 8, 8)
    at = torch.randint(1, 7, (n,), generator=generator)
    for i, where in enumerate(at):
        images[i, where] = 1.0
    return torch.where((torch.arange(n) % 2 == 0)[:, None, None], images, images.mT).flatten(1)


def new(kind: str, **config) -> Model:
    name = "deep_autoencoder" if kind == "denoising" else kind
    return Model.create(name, N_VARS, **NETWORKS | KINDS[kind] | config)


def error(model: Model, x_ng: torch.Tensor) -> float:
    with torch.no_grad():
        return float(model.score(Batch({"x_ng": x_ng}))["reconstruction"].mean())


@pytest.mark.slow
@every_kind
def test_they_learn_to_reconstruct(kind: str) -> None:
    x_ng = strokes()
    with seeded(0):
        model = new(kind)
        training = Training(epochs=60, batch_size=20, learning_rate=5e-3, patience=None)
        train(model, {"x_ng": x_ng}, training=training)
    assert error(model, x_ng) < 0.6 * float(x_ng.var(0).mean())
    z_nk = model.embed(x_ng)
    assert z_nk.shape == (60, 3)
    assert model.decode(z_nk).shape == (60, N_VARS)
    one = torch.eye(3)
    expected = (model.decode(one) - model.decode(-one)) / 2
    torch.testing.assert_close(model.weights(), expected)


@every_kind
def test_a_saved_model_is_the_same_model(kind: str, tmp_path) -> None:
    model = new(kind)
    x_ng = strokes()
    model.solve(Batch({"x_ng": x_ng}))
    model.eval().save(tmp_path / "model.safetensors")
    again = Model.load(tmp_path / "model.safetensors")
    torch.testing.assert_close(again.embed(x_ng), model.embed(x_ng), rtol=0, atol=0)


@every_kind
def test_the_first_guess_is_the_mean_image(kind: str) -> None:
    x_ng = strokes()
    with seeded(0):
        model = new(kind)
        model.solve(Batch({"x_ng": x_ng}))
    decoded_ng = model.eval().decode(torch.zeros(2, 3))
    assert (decoded_ng - x_ng.mean(0)).abs().max() < 0.3


def test_pixels_share_one_scale() -> None:
    # A pixel that is hardly ever lit must not count as much as the others.
    model = new("beta_vae")
    x_ng = strokes()
    x_ng[:, 0] = 0
    x_ng[0, 0] = 0.01
    model.solve(Batch({"x_ng": x_ng}))
    assert len(model.standardise.sd_g.unique()) == 1


def test_noise_is_for_training_alone() -> None:
    model = new("denoising")
    batch = Batch({"x_ng": strokes()})
    model.solve(batch)
    with torch.no_grad():
        quiet = [float(model.eval().loss(batch)["loss"]) for _ in "12"]
        noisy = [float(model.train().loss(batch)["loss"]) for _ in "12"]
    assert quiet[0] == quiet[1]
    assert noisy[0] != noisy[1]


def test_images_are_halved_while_they_can_be() -> None:
    assert pyramid(16, (1, 28, 28)) == ([16, 32], (7, 7))
    assert pyramid(4, (3, 64, 64)) == ([4, 8, 16, 32], (4, 4))
    with pytest.raises(RecipeError, match="9 x 9 pixels cannot be halved"):
        pyramid(4, (1, 9, 9))
    with pytest.raises(RecipeError, match="1 x 8 x 8 are not the 60 values"):
        Model.create("beta_vae", 60, **NETWORKS)
