"""The games: gradient penalty, who learns in which step, averaged weights, both forms of rows."""

import pytest
import torch

from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.models import Batch, Model, Training
from tybalt_like.models.networks.average import Average
from tybalt_like.models.networks.gan_networks import ThinUp
from tybalt_like.models.wgan_gp import gradient_penalty
from tybalt_like.training.loop import losses, train
from tybalt_like.training.seed import seeded
from tybalt_like.training.update import Update

N_VARS, IMAGE = 12, (1, 16, 16)
NAMES = ["wgan_gp", "dcgan", "anogan", "f_anogan"]
every_model = pytest.mark.parametrize("name", NAMES)


def new(name: str, *, image: bool = False, **config) -> tuple[Model, dict[str, torch.Tensor]]:
    """A small model, ready for training, and 30 rows."""
    form = {"image_shape": IMAGE, "channels": 4} if image else {"hidden_dims": (8, 6)}
    if name in {"wgan_gp", "dcgan", "anogan"}:
        config = {"search_steps": 3} | config
    with seeded(0):
        tensors = {"x_ng": torch.rand(30, 256 if image else N_VARS)}
        model = Model.create(name, tensors["x_ng"].shape[1], latent_dim=3, **form, **config)
        model.solve(Batch(tensors))
    return model, tensors


def test_gradient_penalty_of_a_linear_critic_is_known() -> None:
    # Without hidden layers the critic is w x: its slope is w everywhere.
    critic = new("wgan_gp")[0].critic
    critic.features, critic.last = torch.nn.Sequential(), torch.nn.Linear(N_VARS, 1, bias=False)
    real_ng, fake_ng = torch.rand(5, N_VARS), torch.rand(5, N_VARS)
    penalty = gradient_penalty(critic, real_ng, fake_ng)
    weight_g = critic.last.weight[0]
    expected = (weight_g.norm() - 1) ** 2
    torch.testing.assert_close(penalty, expected)
    (slope,) = torch.autograd.grad(penalty, critic.last.weight)
    (by_hand,) = torch.autograd.grad(expected, critic.last.weight)
    torch.testing.assert_close(slope, by_hand)


@pytest.mark.parametrize("image", [False, True])
def test_gradient_of_the_penalty_is_that_of_finite_differences(image: bool) -> None:
    model, tensors = new("wgan_gp", image=image)
    critic, x_ng = model.critic.double(), tensors["x_ng"].double()

    def penalty() -> torch.Tensor:
        with seeded(1):  # the same points between real and fake
            return gradient_penalty(critic, x_ng[:10], x_ng[10:20])

    weight = next(layer.weight for layer in list(critic.features)[2:] if hasattr(layer, "weight"))
    (slope,) = torch.autograd.grad(penalty(), weight)
    first, step = slope.flatten()[0].item(), 1e-6
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight.view(-1)[0] += sign * step
        values.append(penalty().item())
        with torch.no_grad():
            weight.view(-1)[0] -= sign * step
    assert first == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4)


@every_model
@pytest.mark.parametrize("image", [False, True])
def test_a_step_changes_only_its_parameters(name: str, image: bool) -> None:
    config = {"start": "encoder"} if name == "anogan" else {}
    model, tensors = new(name, image=image, **config)
    model.train()
    steps = model.steps()
    assert len(steps) == (3 if "anogan" in name else 2)
    owned = [id(p) for step in steps for p in step.params]
    assert len(owned) == len(set(owned))
    for step in steps:
        before = {key: p.clone() for key, p in model.named_parameters()}
        mine = {id(p) for p in step.params}
        Update(step, Training(learning_rate=0.01))(Batch(tensors, 0), want_norm=False)
        for key, p in model.named_parameters():
            if not key.startswith(("steady", "gan.steady")):
                assert (id(p) in mine) == (not torch.equal(p, before[key])), key


@pytest.mark.parametrize("name", ["anogan", "f_anogan"])
def test_the_encoder_leaves_the_game_alone(name: str) -> None:
    config = {"start": "encoder"} if name == "anogan" else {}
    model, tensors = new(name, gan="dcgan", image=True, **config)
    before = {key: value.clone() for key, value in model.gan.state_dict().items()}
    Update(model.train().steps()[-1], Training())(Batch(tensors, 0), want_norm=False)
    for key, value in model.gan.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_average_is_its_recursion() -> None:
    network = torch.nn.Linear(2, 1)
    average = Average(network, 0.5)
    mean = network.weight.detach().clone()
    for t in range(12):
        torch.nn.init.constant_(network.weight, float(t))
        average.update(network)
        decay = min(0.5, (1 + t) / (10 + t))
        mean = decay * mean + (1 - decay) * t
    torch.testing.assert_close(average.network.weight.detach(), mean)
    last = Average(network, 0)
    torch.nn.init.ones_(network.weight)
    last.update(network)
    assert torch.equal(last.network.weight, network.weight)


def test_averages_follow_every_update_of_training() -> None:
    model, tensors = new("wgan_gp", critic_steps=5)
    train(model, tensors, training=Training(epochs=2, batch_size=10, patience=None))
    assert model.steady_critic.n_updates == 2 * 21  # passes of 3 batches until there are 20
    assert model.steady_generator.n_updates == 2 * 5


@every_model
@pytest.mark.parametrize("image", [False, True])
def test_validation_losses_are_finite_and_repeat(name: str, image: bool) -> None:
    model, tensors = new(name, image=image)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    row = losses(model, tensors)
    assert all(torch.tensor(value).isfinite() for value in row.values())
    assert row == losses(model, tensors)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


@every_model
@pytest.mark.parametrize("image", [False, True])
def test_odd_rows_get_finite_scores(name: str, image: bool) -> None:
    model, tensors = new(name, image=image)
    train(model, tensors, training=Training(epochs=1, batch_size=10, patience=None))
    x_ng = tensors["x_ng"]
    constant_ng = torch.full_like(x_ng[:3], 0.5)
    rows_ng = torch.cat([constant_ng, x_ng[:1], x_ng[:1], torch.zeros_like(x_ng[:1])])
    scores = model.score(Batch({"x_ng": rows_ng}))
    assert all(value.isfinite().all() for value in scores.values())
    for value in scores.values():
        torch.testing.assert_close(value[3], value[4])
    assert all(v.shape == (1,) for v in model.score(Batch({"x_ng": x_ng[:1]})).values())


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 64, 64)])
@pytest.mark.parametrize("gan", ["wgan_gp", "dcgan"])
def test_images_of_any_usual_size(shape: tuple[int, int, int], gan: str) -> None:
    n_vars = shape[0] * shape[1] * shape[2]
    model = Model.create("f_anogan", n_vars, gan=gan, image_shape=shape, channels=2, latent_dim=3)
    tensors = {"x_ng": torch.rand(4, n_vars)}
    model.solve(Batch(tensors))
    for step in model.train().steps():
        step.loss(Batch(tensors, 0))["loss"].backward()
    made_ng = model.eval().decode(torch.randn(5, 3))
    assert made_ng.shape == (5, n_vars)
    assert made_ng.min() >= 0
    assert made_ng.max() <= 1


@pytest.mark.parametrize("n_out", [1, 3])
def test_thin_convolution_is_the_transposed_one(n_out: int) -> None:
    with seeded(0):
        thin = ThinUp(5, n_out)
        usual = torch.nn.ConvTranspose2d(5, n_out, 4, stride=2, padding=1)
        usual.load_state_dict(thin.state_dict())
        x_nchw, slope = torch.randn(3, 5, 7, 6), torch.randn(3, n_out, 14, 12)
    torch.testing.assert_close(thin(x_nchw), usual(x_nchw))
    for layer in (thin, usual):
        layer(x_nchw).backward(slope)
    torch.testing.assert_close(thin.weight.grad, usual.weight.grad)
    torch.testing.assert_close(thin.bias.grad, usual.bias.grad)


def test_images_of_training_are_kept_with_the_model(tmp_path) -> None:
    model, tensors = new("f_anogan", image=True, gan="dcgan")
    train(model, tensors, training=Training(epochs=2, batch_size=10, patience=None))
    grown = model.gan.grown()
    assert list(grown) == [1, 30, 42]
    assert not torch.equal(grown[1], grown[30])
    model.save(tmp_path / "model.safetensors")
    again = Model.load(tmp_path / "model.safetensors")
    assert torch.equal(again.gan.grown()[30], grown[30])
    torch.testing.assert_close(again.embed(tensors["x_ng"]), model.embed(tensors["x_ng"]))
    assert new("dcgan")[0].grown() == {}  # profiles


def test_f_anogan_score_is_the_formula() -> None:
    model, tensors = new("f_anogan", kappa=0.5)
    train(model, tensors, training=Training(epochs=2, batch_size=10, patience=None))
    x_ng, gan = tensors["x_ng"], model.gan
    framed_ng = (x_ng - x_ng.mean(0)) / x_ng.std(0, correction=0)
    z_nk = model.encoder(framed_ng)
    made_ng = gan.steady_generator.network(z_nk)
    features = gan.steady_critic.network.features
    residual_n = (framed_ng - made_ng).square().mean(1)
    features_n = (features(framed_ng) - features(made_ng)).square().mean(1)
    scores = model.score(Batch(tensors))
    torch.testing.assert_close(scores["residual"], residual_n)
    torch.testing.assert_close(scores["features"], features_n)
    torch.testing.assert_close(scores["f_anogan"], residual_n + 0.5 * features_n)
    again_nk = model.encoder(made_ng)
    torch.testing.assert_close(scores["latent_distance"], (z_nk - again_nk).square().mean(1))


def test_shapes_that_cannot_be_are_refused() -> None:
    with pytest.raises(RecipeError, match="1 x 16 x 16 are not the 60 values"):
        Model.create("dcgan", 60, image_shape=IMAGE)
    with pytest.raises(RecipeError, match="7 x 7 pixels cannot be halved"):
        Model.create("wgan_gp", 49, image_shape=(1, 7, 7))
    with pytest.raises(RecipeError, match="steps that rise from 0"):
        Model.create("anogan", 5, search_rates=((5, 0.1),))
    model = Model.create("anogan", 256, image_shape=IMAGE, channels=2)
    with pytest.raises(DataError, match="values between 0 and 1"):
        model.check(torch.full((1, 256), 2.0))
